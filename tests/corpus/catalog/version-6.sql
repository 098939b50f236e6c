-- A catalog as version 6 of the schema had it, with two settings of one model, a content that two files have, one
-- that was replaced, and files that were rejected; for the tests of what later versions do with one.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    card TEXT NOT NULL,
    first_used TEXT NOT NULL,
    UNIQUE (digest, card)
);
INSERT INTO model VALUES(1,'zhu2019-small','55da354311b5f422725b68911d1c17b31932d16565610ea0f24aa916e371e6a8','{"format":1,"name":"zhu2019-small","network":"zhu2019 k=0.375 N=2 drop=0","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[180,200,220,240],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0,"training":{"images":24618,"data_digest":"4aa5abdd741b60b8e1941c839cb6664306a8a49e0fff70297134b4e357f2f8f3","seed":1,"epochs":30,"commit":"92c540e1b77a83abd0fa86c45c72937d5e19c0d9, e170b89b208663712107d53887592553094708c7","command":"galmorph-train train --labels ../shared/galaxyzoo/labels.csv --images ../shared/galaxyzoo/crop264-0.tar ../shared/galaxyzoo/crop264-1.tar ../shared/galaxyzoo/crop264-2.tar ../shared/galaxyzoo/crop264-3.tar ../shared/galaxyzoo/crop264-4.tar ../shared/galaxyzoo/crop264-5.tar --output target/runs/zhu2019-small --network ''zhu2019 k=0.375'' --epochs 30 --weight-decay 5e-4"},"validation":{"images":1296,"accuracy":0.9567901234567902,"per_scale":[{"scale":180,"accuracy":0.9621913580246914},{"scale":200,"accuracy":0.9591049382716048},{"scale":220,"accuracy":0.9513888888888888},{"scale":240,"accuracy":0.9498456790123456}],"per_class":[{"class":"round","images":380,"recall":0.9736842105263158},{"class":"in_between","images":363,"recall":0.9614325068870524},{"class":"cigar","images":26,"recall":0.5384615384615384},{"class":"edge_on","images":176,"recall":0.9602272727272728},{"class":"spiral","images":351,"recall":0.9629629629629628}]},"arithmetic":"bf16"}','2026-11-27T03:09:00.387Z');
INSERT INTO model VALUES(2,'zhu2019-small','55da354311b5f422725b68911d1c17b31932d16565610ea0f24aa916e371e6a8','{"format":1,"name":"zhu2019-small","network":"zhu2019 k=0.375 N=2 drop=0","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[200],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0,"training":{"images":24618,"data_digest":"4aa5abdd741b60b8e1941c839cb6664306a8a49e0fff70297134b4e357f2f8f3","seed":1,"epochs":30,"commit":"92c540e1b77a83abd0fa86c45c72937d5e19c0d9, e170b89b208663712107d53887592553094708c7","command":"galmorph-train train --labels ../shared/galaxyzoo/labels.csv --images ../shared/galaxyzoo/crop264-0.tar ../shared/galaxyzoo/crop264-1.tar ../shared/galaxyzoo/crop264-2.tar ../shared/galaxyzoo/crop264-3.tar ../shared/galaxyzoo/crop264-4.tar ../shared/galaxyzoo/crop264-5.tar --output target/runs/zhu2019-small --network ''zhu2019 k=0.375'' --epochs 30 --weight-decay 5e-4"},"validation":{"images":1296,"accuracy":0.9567901234567902,"per_scale":[{"scale":180,"accuracy":0.9621913580246914},{"scale":200,"accuracy":0.9591049382716048},{"scale":220,"accuracy":0.9513888888888888},{"scale":240,"accuracy":0.9498456790123456}],"per_class":[{"class":"round","images":380,"recall":0.9736842105263158},{"class":"in_between","images":363,"recall":0.9614325068870524},{"class":"cigar","images":26,"recall":0.5384615384615384},{"class":"edge_on","images":176,"recall":0.9602272727272728},{"class":"spiral","images":351,"recall":0.9629629629629628}]},"arithmetic":"bf16"}','2026-11-27T03:09:02.724Z');
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
    updated TEXT NOT NULL, retry TEXT, move_to TEXT, rendering TEXT, position_from TEXT, radius REAL,
    CHECK ((state = 'rejected') = (reason IS NOT NULL))
);
INSERT INTO cutout VALUES(1,'/srv/in/retry.jpg','3bbc8482986bbf238bbbe046fbf4320e8a9b3e49d40a36d57774d0bef72df054',3000,'2026-11-27T03:09:00.078476832Z',NULL,NULL,'retry',NULL,NULL,'rejected','broken: broken image: compressed data is missing',1,'2026-11-27T03:09:00.398Z','2026-11-27T03:09:19.959Z',NULL,NULL,'paper',NULL,NULL);
INSERT INTO cutout VALUES(2,'/srv/in/broken.jpg','bab6e313ae79055f25fe664229749d6e69c30580431ab61dd8f58947789af54c',3,'2026-11-27T03:09:00.073619618Z',NULL,NULL,'broken',NULL,NULL,'rejected','not_an_image: not a JPEG, PNG or FITS image',1,'2026-11-27T03:09:00.398Z','2026-11-27T03:09:02.408Z',NULL,NULL,NULL,NULL,NULL);
INSERT INTO cutout VALUES(3,'/srv/in/replaced.jpg','ab4c9704121ceb20237bfd037eeccc4d9f392c86b457a0cc3204593795af3410',15707,'2026-11-27T03:09:02.803078064Z',424,424,'replaced',NULL,NULL,'classified',NULL,1,'2026-11-27T03:09:00.398Z','2026-11-27T03:09:05.068Z',NULL,NULL,'paper',NULL,NULL);
INSERT INTO cutout VALUES(4,'/srv/in/spiral-copy.jpg','e71497be08a661373338b72d3f057eed94b38eab51a208ab31e82579d222e13b',14374,'2026-11-27T03:09:00.066039175Z',424,424,'spiral-copy',NULL,NULL,'classified',NULL,1,'2026-11-27T03:09:00.398Z','2026-11-27T03:09:02.785Z',NULL,NULL,'paper',NULL,NULL);
INSERT INTO cutout VALUES(5,'/srv/in/cigar-1.jpg','3e6dddfce33f15ee9c315c6fc54320d8f2f29b8486f96cc85b96be3b7aaefce3',13968,'2026-11-27T03:09:00.069918186Z',424,424,'cigar-1',NULL,NULL,'classified',NULL,1,'2026-11-27T03:09:00.398Z','2026-11-27T03:09:02.785Z',NULL,NULL,'paper',NULL,NULL);
INSERT INTO cutout VALUES(6,'/srv/in/round-1.jpg','da09fec68528e1890547181bc72ff1f00c7ca894ce88b0c8edd3846f4a02bce4',14374,'2026-11-27T03:09:00.067960055Z',424,424,'round-1',NULL,NULL,'classified',NULL,1,'2026-11-27T03:09:00.398Z','2026-11-27T03:09:02.785Z',NULL,'/srv/done/round-1.jpg','paper',NULL,NULL);
INSERT INTO cutout VALUES(7,'/srv/in/spiral-1.jpg','e71497be08a661373338b72d3f057eed94b38eab51a208ab31e82579d222e13b',14374,'2026-11-27T03:09:00.057588821Z',424,424,'spiral-1',NULL,NULL,'classified',NULL,1,'2026-11-27T03:09:00.398Z','2026-11-27T03:09:02.785Z',NULL,NULL,'paper',NULL,NULL);
INSERT INTO cutout VALUES(8,'/srv/in/edge_on-1.fits.gz','612297eb1a3da08a60eb1e9ab0d05d0bfcd3fb05c4aec1a16281072c94074edf',128058,'2026-11-27T03:09:19.737723284Z',256,256,'edge_on-1',NULL,NULL,'classified',NULL,1,'2026-11-27T03:09:19.959Z','2026-11-27T03:09:22.017Z',NULL,NULL,'measured 1',NULL,NULL);
INSERT INTO cutout VALUES(9,'/srv/in/huge.jpg',NULL,9000000000,'2400-01-02T03:04:05.678901234Z',NULL,NULL,'huge',NULL,NULL,'rejected','too_large: it has 9000000000 bytes',1,'2026-11-27T03:08:00.001Z','2026-11-27T03:08:00.002Z',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    model INTEGER NOT NULL REFERENCES model (id),
    folders TEXT NOT NULL,
    extensions TEXT NOT NULL,
    limits TEXT NOT NULL,
    error TEXT,
    error_at TEXT
, reclassify INTEGER NOT NULL DEFAULT 1, moving TEXT NOT NULL DEFAULT '[]', follow_links INTEGER NOT NULL DEFAULT 0, exclude TEXT NOT NULL DEFAULT '[]', framing TEXT NOT NULL DEFAULT '{}');
INSERT INTO watch VALUES(1,1,'["/srv/in"]','["jpg","jpeg","png","fits","fit","fts"]','{"max_bytes":33554432,"max_pixels":16000000,"max_side":8192,"min_side":16}',NULL,NULL,1,'[]',0,'["@eaDir","#recycle","$RECYCLE.BIN","@Recycle","lost+found","*.sync-conflict-*","* (*conflicted copy *"]','{"/srv/in":{"framing":"auto","pixel_scale":null,"radius":null}}');
CREATE TABLE classification (
    digest TEXT NOT NULL,
    model INTEGER NOT NULL REFERENCES model (id),
    rendering TEXT NOT NULL,
    label TEXT NOT NULL CHECK (label IN ('round', 'in_between', 'cigar', 'edge_on', 'spiral')),
    confidence REAL NOT NULL,
    entropy REAL NOT NULL,
    p_round REAL NOT NULL,
    p_in_between REAL NOT NULL,
    p_cigar REAL NOT NULL,
    p_edge_on REAL NOT NULL,
    p_spiral REAL NOT NULL,
    classified_at TEXT NOT NULL,
    framing TEXT,
    frame_x REAL,
    frame_y REAL,
    frame_side REAL,
    flags TEXT,
    stretch TEXT,
    PRIMARY KEY (digest, model, rendering)
) WITHOUT ROWID;
INSERT INTO classification VALUES('3e6dddfce33f15ee9c315c6fc54320d8f2f29b8486f96cc85b96be3b7aaefce3',1,'paper','cigar',0.82882356999999995395,0.52219819999999994575,2.6888191999999999262e-05,0.018034576999999999552,0.82882356999999995395,0.15200837000000000376,0.0011065559000000000419,'2026-11-27T03:09:02.464Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('3e6dddfce33f15ee9c315c6fc54320d8f2f29b8486f96cc85b96be3b7aaefce3',2,'paper','cigar',0.862125750000000024,0.45646828000000000402,1.100800550000000036e-05,0.015476747000000000767,0.862125750000000024,0.12116396999999999584,0.0012225128999999999076,'2026-11-27T03:09:02.785Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('612297eb1a3da08a60eb1e9ab0d05d0bfcd3fb05c4aec1a16281072c94074edf',1,'measured 1','edge_on',0.9960968999999999518,0.0258391500000000017,2.7230563999999999439e-07,7.2401604999999995921e-07,0.0038475266000000001888,0.9960968999999999518,5.4589997000000002624e-05,'2026-11-27T03:09:22.017Z','measured',128.03999999999999204,127.76999999999999602,342.63999999999998635,'','sdss');
INSERT INTO classification VALUES('ab4c9704121ceb20237bfd037eeccc4d9f392c86b457a0cc3204593795af3410',1,'paper','in_between',0.98275380000000001068,0.087393319999999996561,0.017213111999999999163,0.98275380000000001068,1.5882759000000000985e-05,8.6524700000000001861e-06,8.4998499999999996036e-06,'2026-11-27T03:09:05.068Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('da09fec68528e1890547181bc72ff1f00c7ca894ce88b0c8edd3846f4a02bce4',1,'paper','round',0.99944860000000002031,0.0047988774999999997405,0.99944860000000002031,0.00052610953999999998404,2.8397080000000001123e-07,1.6919395999999999205e-06,2.3319753000000001358e-05,'2026-11-27T03:09:02.464Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('da09fec68528e1890547181bc72ff1f00c7ca894ce88b0c8edd3846f4a02bce4',2,'paper','round',0.99958484999999996922,0.0037226783999999998008,0.99958484999999996922,0.00039853096999999999437,1.5432495000000000442e-07,1.0698542999999999425e-06,1.542468299999999836e-05,'2026-11-27T03:09:02.785Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('e71497be08a661373338b72d3f057eed94b38eab51a208ab31e82579d222e13b',1,'paper','spiral',0.97875749999999994699,0.11381608999999999476,0.0015185585000000001009,0.018249492999999998577,6.5717100000000001382e-05,0.0014087531000000000358,0.97875749999999994699,'2026-11-27T03:09:02.464Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('e71497be08a661373338b72d3f057eed94b38eab51a208ab31e82579d222e13b',2,'paper','spiral',0.99871969999999998801,0.010219146000000000132,6.181616499999999703e-05,0.0011822071000000000402,2.1803482999999999865e-07,3.6039415000000000262e-05,0.99871969999999998801,'2026-11-27T03:09:02.785Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('ea967ae20f340aeb872dce8ebed6a0dad577d4a4e857330302bba17ae5c4de3c',1,'paper','edge_on',0.99726354999999999861,0.019261653999999999581,4.6854190000000003795e-06,1.4896113000000000132e-05,0.0026657364999999998839,0.99726354999999999861,5.1143629999999998085e-05,'2026-11-27T03:09:02.464Z','paper',212.0,212.0,424.0,'',NULL);
INSERT INTO classification VALUES('ea967ae20f340aeb872dce8ebed6a0dad577d4a4e857330302bba17ae5c4de3c',2,'paper','edge_on',0.99693394000000001842,0.021023191999999999574,9.8503070000000007757e-07,2.8585998000000001621e-06,0.0030285132000000001065,0.99693394000000001842,3.3727779999999997788e-05,'2026-11-27T03:09:02.784Z','paper',212.0,212.0,424.0,'',NULL);
CREATE INDEX cutout_by_digest ON cutout (digest);
CREATE INDEX cutout_rejected ON cutout (path) WHERE state = 'rejected';
CREATE INDEX cutout_to_move ON cutout (path) WHERE move_to IS NOT NULL;
CREATE INDEX cutout_to_retry ON cutout (path) WHERE retry IS NOT NULL;
CREATE INDEX classification_by_time ON classification (classified_at);
CREATE VIEW catalog AS
SELECT cutout.path, cutout.object_id, cutout.ra, cutout.dec,
       classification.label, classification.confidence, classification.p_round, classification.p_in_between, classification.p_cigar, classification.p_edge_on, classification.p_spiral,
       model.name AS model, classification.classified_at,
       classification.framing, classification.frame_x, classification.frame_y, classification.frame_side,
       classification.flags, cutout.position_from, cutout.radius, classification.stretch
FROM cutout
LEFT JOIN classification ON classification.digest = cutout.digest
    AND cutout.state = 'classified'
    AND (classification.model, classification.rendering) =
        (SELECT answer.model, answer.rendering
         FROM (SELECT newest.model, newest.rendering, newest.classified_at,
                      newest.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS newest
               WHERE newest.digest = cutout.digest ) AS answer
         ORDER BY answer.is_as_wanted DESC,
                  answer.model = (SELECT watch.model FROM watch) DESC, answer.model DESC,
                  answer.classified_at DESC
         LIMIT 1)
LEFT JOIN model ON model.id = classification.model;
CREATE VIEW probability AS
SELECT cutout.path, cutout.object_id, model.name AS model, 'round' AS class_name,
       classification.p_round AS probability,
       1 + (p_in_between > p_round) + (p_cigar > p_round) + (p_edge_on > p_round) + (p_spiral > p_round) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
    AND classification.rendering =
        (SELECT answer.rendering
         FROM (SELECT other.rendering, other.classified_at,
                      other.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS other
               WHERE other.digest = cutout.digest AND other.model = classification.model) AS answer
         ORDER BY answer.is_as_wanted DESC, answer.classified_at DESC
         LIMIT 1)
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'in_between' AS class_name,
       classification.p_in_between AS probability,
       1 + (p_round >= p_in_between) + (p_cigar > p_in_between) + (p_edge_on > p_in_between) + (p_spiral > p_in_between) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
    AND classification.rendering =
        (SELECT answer.rendering
         FROM (SELECT other.rendering, other.classified_at,
                      other.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS other
               WHERE other.digest = cutout.digest AND other.model = classification.model) AS answer
         ORDER BY answer.is_as_wanted DESC, answer.classified_at DESC
         LIMIT 1)
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'cigar' AS class_name,
       classification.p_cigar AS probability,
       1 + (p_round >= p_cigar) + (p_in_between >= p_cigar) + (p_edge_on > p_cigar) + (p_spiral > p_cigar) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
    AND classification.rendering =
        (SELECT answer.rendering
         FROM (SELECT other.rendering, other.classified_at,
                      other.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS other
               WHERE other.digest = cutout.digest AND other.model = classification.model) AS answer
         ORDER BY answer.is_as_wanted DESC, answer.classified_at DESC
         LIMIT 1)
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'edge_on' AS class_name,
       classification.p_edge_on AS probability,
       1 + (p_round >= p_edge_on) + (p_in_between >= p_edge_on) + (p_cigar >= p_edge_on) + (p_spiral > p_edge_on) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
    AND classification.rendering =
        (SELECT answer.rendering
         FROM (SELECT other.rendering, other.classified_at,
                      other.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS other
               WHERE other.digest = cutout.digest AND other.model = classification.model) AS answer
         ORDER BY answer.is_as_wanted DESC, answer.classified_at DESC
         LIMIT 1)
JOIN model ON model.id = classification.model
UNION ALL
SELECT cutout.path, cutout.object_id, model.name AS model, 'spiral' AS class_name,
       classification.p_spiral AS probability,
       1 + (p_round >= p_spiral) + (p_in_between >= p_spiral) + (p_cigar >= p_spiral) + (p_edge_on >= p_spiral) AS ranking
FROM cutout
JOIN classification ON classification.digest = cutout.digest AND cutout.state = 'classified'
    AND classification.rendering =
        (SELECT answer.rendering
         FROM (SELECT other.rendering, other.classified_at,
                      other.rendering = cutout.rendering AS is_as_wanted
               FROM classification AS other
               WHERE other.digest = cutout.digest AND other.model = classification.model) AS answer
         ORDER BY answer.is_as_wanted DESC, answer.classified_at DESC
         LIMIT 1)
JOIN model ON model.id = classification.model;
COMMIT;
UPDATE cutout SET retry = '2026-11-27T03:09:05.349Z' WHERE path LIKE '%retry.jpg';
PRAGMA application_id = 1735159154;
PRAGMA user_version = 6;
