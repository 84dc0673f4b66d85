-- NULLs everywhere: in a key of a join, in a group key, in what is aggregated.
CREATE SCHEMA a;
CREATE SCHEMA b;
CREATE TABLE a.left_side (
  id INTEGER CHECK (id BETWEEN 0 AND 100),
  g  TEXT CHECK (g IN ('x', 'y')),
  v  INTEGER CHECK (v BETWEEN -1000 AND 1000));
CREATE TABLE b.right_side (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 100),
  w  DECIMAL(5,2) CHECK (w BETWEEN -99.99 AND 99.99));
CREATE VIEW linked AS
  SELECT l.g, l.v, r.w
  FROM a.left_side AS l LEFT JOIN b.right_side AS r ON l.id = r.id;
CREATE VIEW summary AS
  SELECT g, COUNT(*) AS n, COUNT(v) AS with_v, SUM(v) AS sum_v, MIN(v) AS min_v, MAX(w) AS max_w, AVG(w) AS mean_w
  FROM linked
  GROUP BY g;
CREATE VIEW total AS
  SELECT COUNT(*) AS n, SUM(w) AS w, AVG(v) AS mean_v
  FROM linked
  WHERE v < 0 OR w IS NULL;
GRANT SELECT ON summary TO a;
GRANT SELECT ON total TO b;
