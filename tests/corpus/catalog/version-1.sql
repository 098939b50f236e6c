-- A catalog as the first version of galmorph made it; for the tests of what later versions do with one.
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    card TEXT NOT NULL,
    first_used TEXT NOT NULL,
    UNIQUE (digest, card)
);

-- digest is NULL for a file that was too large to be read.
CREATE TABLE cutout (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    digest TEXT,
    bytes INTEGER NOT NULL,
    modified TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    object_id TEXT NOT NULL,
    ra REAL,
    dec REAL,
    state TEXT NOT NULL CHECK (state IN ('classified', 'rejected')),
    reason TEXT,
    attempts INTEGER NOT NULL,
    first_seen TEXT NOT NULL,
    updated TEXT NOT NULL,
    CHECK ((state = 'rejected') = (reason IS NOT NULL))
);
CREATE INDEX cutout_by_digest ON cutout (digest);

CREATE TABLE classification (
    digest TEXT NOT NULL,
    model INTEGER NOT NULL REFERENCES model (id),
    label TEXT NOT NULL CHECK (label IN ('round', 'in_between', 'cigar', 'edge_on', 'spiral')),
    confidence REAL NOT NULL,
    entropy REAL NOT NULL,
    p_round REAL NOT NULL,
    p_in_between REAL NOT NULL,
    p_cigar REAL NOT NULL,
    p_edge_on REAL NOT NULL,
    p_spiral REAL NOT NULL,
    classified_at TEXT NOT NULL,
    PRIMARY KEY (digest, model)
) WITHOUT ROWID;

CREATE VIEW catalog AS
SELECT cutout.path, cutout.object_id, cutout.ra, cutout.dec,
       classification.label, classification.confidence, classification.p_round, classification.p_in_between, classification.p_cigar, classification.p_edge_on, classification.p_spiral,
       model.name AS model, classification.classified_at
FROM cutout
LEFT JOIN classification ON classification.digest = cutout.digest
    AND cutout.state = 'classified'
    AND classification.model =
        (SELECT max(newest.model) FROM classification AS newest
         WHERE newest.digest = cutout.digest )
LEFT JOIN model ON model.id = classification.model;

CREATE VIEW probability AS
SELECT cutout.path, cutout.object_id, model.name AS model, 'round' AS class_name,
       classification.p_round AS probability,
       1 + (p_in_between > p_round) + (p_cigar > p_round) + (p_edge_on > p_round) + (p_spiral > p_round) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'in_between' AS class_name,
       classification.p_in_between AS probability,
       1 + (p_round >= p_in_between) + (p_cigar > p_in_between) + (p_edge_on > p_in_between) + (p_spiral > p_in_between) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'cigar' AS class_name,
       classification.p_cigar AS probability,
       1 + (p_round >= p_cigar) + (p_in_between >= p_cigar) + (p_edge_on > p_cigar) + (p_spiral > p_cigar) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'edge_on' AS class_name,
       classification.p_edge_on AS probability,
       1 + (p_round >= p_edge_on) + (p_in_between >= p_edge_on) + (p_cigar >= p_edge_on) + (p_spiral > p_edge_on) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'spiral' AS class_name,
       classification.p_spiral AS probability,
       1 + (p_round >= p_spiral) + (p_in_between >= p_spiral) + (p_cigar >= p_spiral) + (p_edge_on >= p_spiral) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
JOIN model ON model.id = classification.model
;

PRAGMA application_id = 1735159154;
PRAGMA user_version = 1;
