-- Average pay of women and men, linked from two offices.
CREATE SCHEMA register;
CREATE SCHEMA tax;
CREATE TABLE register.person (
  id     CHAR(4)  NOT NULL PRIMARY KEY,
  gender TEXT     NOT NULL CHECK (gender IN ('female', 'male')),
  school SMALLINT NOT NULL CHECK (school BETWEEN 0 AND 25));
CREATE TABLE tax.earner (
  id     CHAR(4)      NOT NULL PRIMARY KEY,
  region TEXT         NOT NULL CHECK (region IN ('North', 'South')),
  pay    DECIMAL(6,2) NOT NULL CHECK (pay BETWEEN 0 AND 1000));
CREATE VIEW linked AS
  SELECT t.region, CASE WHEN p.school > 12 THEN 'more' ELSE 'less' END AS school,
         CASE WHEN p.gender = 'female' THEN t.pay END AS women,
         CASE WHEN p.gender = 'male' THEN t.pay END AS men
  FROM tax.earner AS t INNER JOIN register.person AS p ON t.id = p.id;
CREATE VIEW gap AS
  SELECT region, school, COUNT(*) AS persons, AVG(women) AS women, AVG(men) AS men
  FROM linked
  GROUP BY region, school
  HAVING COUNT(*) >= 12;
GRANT SELECT ON gap TO hub;
