-- Dates, key texts beyond ASCII, ties in every column, and rows that are opened
-- one by one.
CREATE SCHEMA north;
CREATE SCHEMA south;
CREATE TABLE north.ship (
  name  VARCHAR(8) NOT NULL PRIMARY KEY,
  built DATE NOT NULL CHECK (built BETWEEN DATE '1900-01-01' AND DATE '2030-12-31'));
CREATE TABLE south.call (
  name   VARCHAR(8) NOT NULL,
  day    DATE NOT NULL CHECK (day BETWEEN DATE '2020-01-01' AND DATE '2029-12-31'),
  tonnes INTEGER NOT NULL CHECK (tonnes BETWEEN 0 AND 100000),
  PRIMARY KEY (name, day));
CREATE VIEW linked AS
  SELECT s.name, c.day, c.tonnes, c.day - s.built AS days
  FROM south.call AS c INNER JOIN north.ship AS s ON c.name = s.name;
CREATE VIEW old_ships AS
  SELECT name, day, tonnes FROM linked WHERE days BETWEEN 1000 AND 20000;
CREATE VIEW by_day AS
  SELECT day, COUNT(*) AS calls, SUM(tonnes) AS tonnes, MIN(days) AS youngest
  FROM linked GROUP BY day;
GRANT SELECT ON old_ships TO south;
GRANT SELECT ON by_day TO hub;
