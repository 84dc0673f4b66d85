-- Registered in both countries, and commuters: EXISTS on a key, two views, three
-- tables of two owners.
CREATE SCHEMA fr;
CREATE SCHEMA lu;
CREATE TABLE fr.resident (
  pkey  CHAR(32) NOT NULL PRIMARY KEY,
  nuts2 SMALLINT NOT NULL CHECK (nuts2 BETWEEN 1 AND 3),
  age5  SMALLINT NOT NULL CHECK (age5 BETWEEN 0 AND 4));
CREATE TABLE lu.resident (
  pkey  CHAR(32) NOT NULL PRIMARY KEY);
CREATE TABLE lu.employee (
  pkey  CHAR(32) NOT NULL PRIMARY KEY,
  nace  SMALLINT NOT NULL CHECK (nace BETWEEN 1 AND 2));
CREATE VIEW double_registered AS
  SELECT f.age5, COUNT(*) AS persons
  FROM fr.resident AS f
  WHERE EXISTS (SELECT 1 FROM lu.resident AS l WHERE l.pkey = f.pkey)
  GROUP BY f.age5
  HAVING COUNT(*) >= 3;
CREATE VIEW commuters AS
  SELECT f.nuts2, e.nace, COUNT(*) AS persons
  FROM fr.resident AS f INNER JOIN lu.employee AS e ON f.pkey = e.pkey
  GROUP BY f.nuts2, e.nace;
GRANT SELECT ON double_registered TO fr, lu, estat;
GRANT SELECT ON commuters         TO estat;
