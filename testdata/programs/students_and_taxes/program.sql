-- Does working during studies delay graduation? A left join with a view that
-- one owner computes in the clear.
CREATE SCHEMA edu;
CREATE SCHEMA tax;
CREATE TABLE edu.student (
  pid     CHAR(5)  NOT NULL PRIMARY KEY,
  field   SMALLINT NOT NULL CHECK (field BETWEEN 0 AND 3),
  on_time SMALLINT NOT NULL CHECK (on_time BETWEEN 0 AND 1));
CREATE TABLE tax.payment (
  pid    CHAR(5)  NOT NULL,
  month  SMALLINT NOT NULL CHECK (month BETWEEN 1 AND 12),
  income INTEGER  NOT NULL CHECK (income BETWEEN 0 AND 1000000),
  PRIMARY KEY (pid, month));
CREATE VIEW worked AS
  SELECT pid, COUNT(*) AS months, SUM(income) AS total
  FROM tax.payment
  WHERE income > 0
  GROUP BY pid;
CREATE VIEW linked AS
  SELECT s.field, s.on_time, CASE WHEN COALESCE(w.months, 0) >= 3 THEN 1 ELSE 0 END AS worked
  FROM edu.student AS s LEFT JOIN worked AS w ON s.pid = w.pid;
CREATE VIEW result AS
  SELECT field, worked, COUNT(*) AS students, SUM(on_time) AS graduated_on_time
  FROM linked
  GROUP BY field, worked
  HAVING COUNT(*) >= 2;
GRANT SELECT ON result TO edu, tax, centar;
