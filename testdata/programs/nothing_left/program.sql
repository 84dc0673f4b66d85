-- One table is empty and a filter keeps nothing: no group, but a total of none.
CREATE SCHEMA a;
CREATE SCHEMA b;
CREATE TABLE a.person (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 9), age SMALLINT NOT NULL CHECK (age BETWEEN 0 AND 120));
CREATE TABLE b.visit (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 9), cost INTEGER NOT NULL CHECK (cost BETWEEN 0 AND 1000));
CREATE VIEW linked AS
  SELECT p.age, v.cost FROM a.person AS p INNER JOIN b.visit AS v ON p.id = v.id;
CREATE VIEW by_age AS SELECT age, SUM(cost) AS cost FROM linked GROUP BY age;
CREATE VIEW total AS SELECT COUNT(*) AS visits, SUM(cost) AS cost, AVG(cost) AS mean, MAX(age) AS oldest FROM linked WHERE cost > 1000;
GRANT SELECT ON by_age TO a;
GRANT SELECT ON total TO a, b;
