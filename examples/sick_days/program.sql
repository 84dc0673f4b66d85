CREATE SCHEMA clinic;
CREATE SCHEMA payroll;
CREATE TABLE clinic.visit (
  pid  CHAR(6)  NOT NULL PRIMARY KEY,
  days SMALLINT NOT NULL CHECK (days BETWEEN 0 AND 365));
CREATE TABLE payroll.job (
  pid  CHAR(6) NOT NULL PRIMARY KEY,
  wage INTEGER NOT NULL CHECK (wage BETWEEN 0 AND 100000));

CREATE VIEW sick AS
  SELECT CASE WHEN j.wage < 2000 THEN 'low' ELSE 'other' END AS pay,
         COUNT(*) AS people, AVG(v.days) AS days
  FROM payroll.job AS j INNER JOIN clinic.visit AS v ON j.pid = v.pid
  GROUP BY CASE WHEN j.wage < 2000 THEN 'low' ELSE 'other' END
  HAVING COUNT(*) >= 2;

GRANT SELECT ON sick TO ministry;
