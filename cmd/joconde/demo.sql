-- The gender pay gap by region and education, from two offices that may not
-- show each other their records.
CREATE SCHEMA register;                  -- the population register
CREATE SCHEMA tax;                       -- the tax agency

CREATE TABLE register.person (
  person_id CHAR(7)  NOT NULL PRIMARY KEY,
  gender    TEXT     NOT NULL CHECK (gender IN ('female', 'male')),
  age       SMALLINT NOT NULL CHECK (age BETWEEN 15 AND 99),
  education SMALLINT NOT NULL CHECK (education BETWEEN 0 AND 25));   -- years of schooling

CREATE TABLE tax.earner (
  person_id CHAR(7)      NOT NULL PRIMARY KEY,
  region    TEXT         NOT NULL CHECK (region IN ('Midwest', 'Northeast', 'South', 'West')),
  earnings  DECIMAL(6,2) NOT NULL CHECK (earnings BETWEEN 0.01 AND 1000.00));   -- dollars an hour

CREATE VIEW linked AS
  SELECT t.region,
         CASE WHEN p.education < 12 THEN '00-11'
              WHEN p.education = 12 THEN '12'
              WHEN p.education < 16 THEN '13-15'
              ELSE '16+' END AS years_of_school,
         CASE WHEN p.gender = 'female' THEN t.earnings END AS women,
         CASE WHEN p.gender = 'male'   THEN t.earnings END AS men
  FROM tax.earner AS t INNER JOIN register.person AS p ON t.person_id = p.person_id;

CREATE VIEW pay AS                       -- at least 10 persons in each cell, and 10 of either sex
  SELECT region, years_of_school, COUNT(*) AS persons, AVG(women) AS women, AVG(men) AS men
  FROM linked
  GROUP BY region, years_of_school
  HAVING COUNT(*) >= 10 AND COUNT(women) >= 10 AND COUNT(men) >= 10;

CREATE VIEW pay_gap AS
  SELECT region, years_of_school, persons,
         CAST(women AS DECIMAL(9,2)) AS women,
         CAST(men   AS DECIMAL(9,2)) AS men,
         CAST(100 * (men - women) / NULLIF(men, 0) AS DECIMAL(18,1)) AS gap_percent
  FROM pay;

GRANT SELECT ON pay_gap TO hub;          -- the statistics hub, and nobody else
