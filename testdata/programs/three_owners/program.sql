-- Three owners, a division, and a rule that no view may open small groups.
CREATE SCHEMA at;
CREATE SCHEMA ee;
CREATE SCHEMA pt;
CREATE TABLE at.firm (vat INTEGER NOT NULL PRIMARY KEY CHECK (vat BETWEEN 1 AND 1000000), nace TEXT NOT NULL CHECK (nace IN ('A', 'B', 'C')));
CREATE TABLE ee.sales (vat INTEGER NOT NULL PRIMARY KEY CHECK (vat BETWEEN 1 AND 1000000), amount BIGINT NOT NULL CHECK (amount BETWEEN 0 AND 1000000000));
CREATE TABLE pt.staff (vat INTEGER NOT NULL PRIMARY KEY CHECK (vat BETWEEN 1 AND 1000000), heads INTEGER NOT NULL CHECK (heads BETWEEN 0 AND 100000));
CREATE VIEW linked AS
  SELECT f.nace, s.amount, p.heads
  FROM at.firm AS f INNER JOIN ee.sales AS s ON f.vat = s.vat INNER JOIN pt.staff AS p ON f.vat = p.vat;
CREATE VIEW sums AS
  SELECT nace, COUNT(*) AS firms, SUM(amount) AS amount, SUM(heads) AS heads, MAX(amount) AS largest
  FROM linked GROUP BY nace;
CREATE VIEW productivity AS
  SELECT nace, firms, CAST(amount AS DECIMAL(20,0)) / NULLIF(heads, 0) AS per_head, amount / NULLIF(heads, 0) AS whole
  FROM sums
  WHERE firms >= 3 AND 100 * largest <= 85 * amount;
GRANT SELECT ON productivity TO hub;
