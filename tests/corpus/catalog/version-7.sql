-- A catalog as version 7 of the schema had it: that of version-6.sql, brought up to date, and six files that galmorph-1 answered
-- since, one of them with other probabilities, so that its label is another one where all classes are equally common. The
-- card of that model is cut down. For the tests of what later versions do with one.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE "cutout" (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    object_id TEXT NOT NULL,
    ra REAL,
    dec REAL,
    label TEXT CHECK (label IN ('round', 'in_between', 'cigar', 'edge_on', 'spiral')),
    confidence REAL,
    p_round REAL,
    p_in_between REAL,
    p_cigar REAL,
    p_edge_on REAL,
    p_spiral REAL,
    entropy REAL,
    model INTEGER REFERENCES model (id),
    rendering TEXT,
    classified INTEGER,
    framing TEXT,
    frame_x REAL,
    frame_y REAL,
    frame_side REAL,
    flags TEXT,
    stretch TEXT,
    program_version TEXT,
    novelty REAL,
    prediction_set TEXT,
    position_from TEXT,
    radius REAL,
    healpix INTEGER,
    digest BLOB,
    bytes INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    reason TEXT,
    message TEXT,
    attempts INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    retry INTEGER,
    move_to TEXT,
    state TEXT GENERATED ALWAYS AS (CASE WHEN label IS NULL THEN 'rejected' ELSE 'classified' END) VIRTUAL,
    CHECK ((label IS NULL) = (reason IS NOT NULL)),
    CHECK (label IS NULL OR (confidence IS NOT NULL AND entropy IS NOT NULL AND model IS NOT NULL AND rendering IS NOT NULL
        AND classified IS NOT NULL AND digest IS NOT NULL AND p_round IS NOT NULL AND p_in_between IS NOT NULL AND p_cigar IS NOT NULL AND p_edge_on IS NOT NULL AND p_spiral IS NOT NULL))
);
INSERT INTO "cutout" VALUES(1,'/srv/in/retry.jpg','retry',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'paper',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'3BBC8482986BBF238BBBE046FBF4320E8A9B3E49D40A36D57774D0BEF72DF054',3000,1795748940078476832,NULL,NULL,'broken','broken image: compressed data is missing',1,1795748940398,1795748959959,1795748945349,NULL);
INSERT INTO "cutout" VALUES(2,'/srv/in/broken.jpg','broken',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'BAB6E313AE79055F25FE664229749D6E69C30580431AB61DD8F58947789AF54C',3,1795748940073619618,NULL,NULL,'not_an_image','not a JPEG, PNG or FITS image',1,1795748940398,1795748942408,NULL,NULL);
INSERT INTO "cutout" VALUES(3,'/srv/in/replaced.jpg','replaced',NULL,NULL,'in_between',0.9827538,0.017213112,0.9827538,1.5882759e-05,8.65247e-06,8.49985e-06,0.08739332,1,'paper',1795748945068,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'AB4C9704121CEB20237BFD037EECCC4D9F392C86B457A0CC3204593795AF3410',15707,1795748942803078064,424,424,NULL,NULL,1,1795748940398,1795748945068,NULL,NULL);
INSERT INTO "cutout" VALUES(4,'/srv/in/spiral-copy.jpg','spiral-copy',NULL,NULL,'spiral',0.9787575,0.0015185585,0.018249493,6.57171e-05,0.0014087531,0.9787575,0.11381609,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'E71497BE08A661373338B72D3F057EED94B38EAB51A208AB31E82579D222E13B',14374,1795748940066039175,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO "cutout" VALUES(5,'/srv/in/cigar-1.jpg','cigar-1',NULL,NULL,'cigar',0.82882357,2.6888192e-05,0.018034577,0.82882357,0.15200837,0.0011065559,0.5221982,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'3E6DDDFCE33F15EE9C315C6FC54320D8F2F29B8486F96CC85B96BE3B7AAEFCE3',13968,1795748940069918186,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO "cutout" VALUES(6,'/srv/in/round-1.jpg','round-1',NULL,NULL,'round',0.9994486,0.9994486,0.00052610954,2.839708e-07,1.6919396e-06,2.3319753e-05,0.0047988775,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'DA09FEC68528E1890547181BC72FF1F00C7CA894CE88B0C8EDD3846F4A02BCE4',14374,1795748940067960055,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO "cutout" VALUES(7,'/srv/in/spiral-1.jpg','spiral-1',NULL,NULL,'spiral',0.9787575,0.0015185585,0.018249493,6.57171e-05,0.0014087531,0.9787575,0.11381609,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'E71497BE08A661373338B72D3F057EED94B38EAB51A208AB31E82579D222E13B',14374,1795748940057588821,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO "cutout" VALUES(8,'/srv/in/edge_on-1.fits.gz','edge_on-1',NULL,NULL,'edge_on',0.9960969,2.7230564e-07,7.2401605e-07,0.0038475266,0.9960969,5.4589997e-05,0.02583915,1,'measured 1',1795748962017,'measured',128.04,127.77,342.64,'','sdss',NULL,NULL,NULL,NULL,NULL,NULL,X'612297EB1A3DA08A60EB1E9AB0D05D0BFCD3FB05C4AEC1A16281072C94074EDF',128058,1795748959737723284,256,256,NULL,NULL,1,1795748959959,1795748962017,NULL,NULL);
INSERT INTO "cutout" VALUES(9,'/srv/in/huge.jpg','huge',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,9000000000,'2400-01-02T03:04:05.678901234Z',NULL,NULL,'too_large','it has 9000000000 bytes',1,1795748880001,1795748880002,NULL,NULL);
INSERT INTO "cutout" VALUES(10,'/srv/new/cigar-5.jpg','cigar-5',NULL,NULL,'cigar',0.9934754,9.294569e-06,3.4436438e-05,0.9934754,0.006461841,1.8968165e-05,0.039750673,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.019929826,'cigar',NULL,NULL,NULL,X'BD52DDB23729DDE363AD45C5DF5CB9747F10783F75C4CCAC1068D770C9E266FB',13651,1795832287338298819,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO "cutout" VALUES(11,'/srv/new/spiral-4.jpg','spiral-4',NULL,NULL,'spiral',0.991337,0.0034464332,0.0046935934,4.068419e-05,0.00048228947,0.991337,0.057427578,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.0053717494,'spiral',NULL,NULL,NULL,X'D0EE1706A6162BB4E907B5CBC26778D66A93FA31F7597C4F4D7BEBA7BB58DF65',15792,1795832287338352747,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO "cutout" VALUES(12,'/srv/new/edge_on-3.jpg','edge_on-3',NULL,NULL,'edge_on',0.9996413,1.8828345e-05,2.2872047e-05,0.00029355186,0.9996413,2.3482107e-05,0.0034457864,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.013255298,'edge_on',NULL,NULL,NULL,X'BB8D277601E794DEC5838CD9606C930803BDF4EBA1D084BC8C832DBFC0D7E0FD',14982,1795832287338325785,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO "cutout" VALUES(13,'/srv/new/cigar-2.jpg','cigar-2',NULL,NULL,'cigar',0.9969832,6.6880295e-07,4.1608146e-06,0.9969832,0.0030077694,4.2272814e-06,0.020590426,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.014926791,'cigar',NULL,NULL,NULL,X'9FDDDCF53B8DF89F121EE2221AFD565D2B8C6E13B1337DF1AB1518C756412339',15391,1795832287338259426,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO "cutout" VALUES(14,'/srv/new/in_between-1.jpg','in_between-1',NULL,NULL,'in_between',0.5,0.3,0.5,0.1875,0.0025,0.01,0.086704254,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.015953243,'in_between',NULL,NULL,NULL,X'AB4C9704121CEB20237BFD037EECCC4D9F392C86B457A0CC3204593795AF3410',15707,1795832287338378223,424,424,NULL,NULL,1,1795832288504,1795832290670,NULL,NULL);
INSERT INTO "cutout" VALUES(15,'/srv/new/round-2.jpg','round-2',NULL,NULL,'round',0.9952776,0.9952776,0.0034357917,2.3773624e-05,9.092973e-05,0.0011719599,0.033213146,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.012510717,'round',NULL,NULL,NULL,X'F461DF4549AFC31105FD145EC767EF3865CFD7C99131F6EADD4286AD2FABFAF3',14694,1795832287338407119,424,424,NULL,NULL,1,1795832288504,1795832290670,NULL,NULL);
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    card TEXT NOT NULL,
    first_used TEXT NOT NULL, arithmetic TEXT,
    UNIQUE (digest, card)
);
INSERT INTO "model" VALUES(1,'zhu2019-small','55da354311b5f422725b68911d1c17b31932d16565610ea0f24aa916e371e6a8','{"format":1,"name":"zhu2019-small","network":"zhu2019 k=0.375 N=2 drop=0","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[180,200,220,240],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0,"training":{"images":24618,"data_digest":"4aa5abdd741b60b8e1941c839cb6664306a8a49e0fff70297134b4e357f2f8f3","seed":1,"epochs":30,"commit":"92c540e1b77a83abd0fa86c45c72937d5e19c0d9, e170b89b208663712107d53887592553094708c7","command":"galmorph-train train --labels ../shared/galaxyzoo/labels.csv --images ../shared/galaxyzoo/crop264-0.tar ../shared/galaxyzoo/crop264-1.tar ../shared/galaxyzoo/crop264-2.tar ../shared/galaxyzoo/crop264-3.tar ../shared/galaxyzoo/crop264-4.tar ../shared/galaxyzoo/crop264-5.tar --output target/runs/zhu2019-small --network ''zhu2019 k=0.375'' --epochs 30 --weight-decay 5e-4"},"validation":{"images":1296,"accuracy":0.9567901234567902,"per_scale":[{"scale":180,"accuracy":0.9621913580246914},{"scale":200,"accuracy":0.9591049382716048},{"scale":220,"accuracy":0.9513888888888888},{"scale":240,"accuracy":0.9498456790123456}],"per_class":[{"class":"round","images":380,"recall":0.9736842105263158},{"class":"in_between","images":363,"recall":0.9614325068870524},{"class":"cigar","images":26,"recall":0.5384615384615384},{"class":"edge_on","images":176,"recall":0.9602272727272728},{"class":"spiral","images":351,"recall":0.9629629629629628}]},"arithmetic":"bf16"}','2026-11-27T03:09:00.387Z','bf16');
INSERT INTO "model" VALUES(2,'zhu2019-small','55da354311b5f422725b68911d1c17b31932d16565610ea0f24aa916e371e6a8','{"format":1,"name":"zhu2019-small","network":"zhu2019 k=0.375 N=2 drop=0","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[200],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0,"training":{"images":24618,"data_digest":"4aa5abdd741b60b8e1941c839cb6664306a8a49e0fff70297134b4e357f2f8f3","seed":1,"epochs":30,"commit":"92c540e1b77a83abd0fa86c45c72937d5e19c0d9, e170b89b208663712107d53887592553094708c7","command":"galmorph-train train --labels ../shared/galaxyzoo/labels.csv --images ../shared/galaxyzoo/crop264-0.tar ../shared/galaxyzoo/crop264-1.tar ../shared/galaxyzoo/crop264-2.tar ../shared/galaxyzoo/crop264-3.tar ../shared/galaxyzoo/crop264-4.tar ../shared/galaxyzoo/crop264-5.tar --output target/runs/zhu2019-small --network ''zhu2019 k=0.375'' --epochs 30 --weight-decay 5e-4"},"validation":{"images":1296,"accuracy":0.9567901234567902,"per_scale":[{"scale":180,"accuracy":0.9621913580246914},{"scale":200,"accuracy":0.9591049382716048},{"scale":220,"accuracy":0.9513888888888888},{"scale":240,"accuracy":0.9498456790123456}],"per_class":[{"class":"round","images":380,"recall":0.9736842105263158},{"class":"in_between","images":363,"recall":0.9614325068870524},{"class":"cigar","images":26,"recall":0.5384615384615384},{"class":"edge_on","images":176,"recall":0.9602272727272728},{"class":"spiral","images":351,"recall":0.9629629629629628}]},"arithmetic":"bf16"}','2026-11-27T03:09:02.724Z','bf16');
INSERT INTO "model" VALUES(3,'galmorph-1','198aa50950fe061f5cd0a7a59b1b47016bf8efb99cd3f7771a35bc1a5f4245d5','{"format":2,"name":"galmorph-1","network":"basic-resnet side=128 width=64 n1=1 n2=3 n3=1","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[198],"resize":144,"crop":128,"resampling":"antialiased","whitening":"per_image"},"temperature":0.66879505,"framing":"paper","prior":{"round":0.2929969940693801,"in_between":0.2802420992769518,"cigar":0.020107238605898123,"edge_on":0.13555122268258998,"spiral":0.27110244536517997}}','2026-11-28T02:18:08.477Z','f32');
CREATE TABLE "other_answer" (
    digest BLOB NOT NULL,
    label TEXT CHECK (label IN ('round', 'in_between', 'cigar', 'edge_on', 'spiral')),
    confidence REAL,
    p_round REAL,
    p_in_between REAL,
    p_cigar REAL,
    p_edge_on REAL,
    p_spiral REAL,
    entropy REAL,
    model INTEGER REFERENCES model (id),
    rendering TEXT,
    classified INTEGER,
    framing TEXT,
    frame_x REAL,
    frame_y REAL,
    frame_side REAL,
    flags TEXT,
    stretch TEXT,
    program_version TEXT,
    novelty REAL,
    prediction_set TEXT,
    PRIMARY KEY (digest, model, rendering),
    CHECK (label IS NOT NULL AND confidence IS NOT NULL AND entropy IS NOT NULL AND model IS NOT NULL AND rendering IS NOT NULL
        AND classified IS NOT NULL AND digest IS NOT NULL AND p_round IS NOT NULL AND p_in_between IS NOT NULL AND p_cigar IS NOT NULL AND p_edge_on IS NOT NULL AND p_spiral IS NOT NULL)
) WITHOUT ROWID;
INSERT INTO "other_answer" VALUES(X'3E6DDDFCE33F15EE9C315C6FC54320D8F2F29B8486F96CC85B96BE3B7AAEFCE3','cigar',0.86212575,1.10080055e-05,0.015476747,0.86212575,0.12116397,0.0012225129,0.45646828,2,'paper',1795748942785,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO "other_answer" VALUES(X'AB4C9704121CEB20237BFD037EECCC4D9F392C86B457A0CC3204593795AF3410','in_between',0.9827538,0.017213112,0.9827538,1.5882759e-05,8.65247e-06,8.49985e-06,0.08739332,1,'paper',1795748945068,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO "other_answer" VALUES(X'AB4C9704121CEB20237BFD037EECCC4D9F392C86B457A0CC3204593795AF3410','in_between',0.9837373,0.015486954,0.9837373,2.32547e-05,0.00014480956,0.0006076809,0.086704254,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.015953243,'in_between');
INSERT INTO "other_answer" VALUES(X'DA09FEC68528E1890547181BC72FF1F00C7CA894CE88B0C8EDD3846F4A02BCE4','round',0.99958485,0.99958485,0.00039853097,1.5432495e-07,1.0698543e-06,1.5424683e-05,0.0037226784,2,'paper',1795748942785,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO "other_answer" VALUES(X'E71497BE08A661373338B72D3F057EED94B38EAB51A208AB31E82579D222E13B','spiral',0.9987197,6.1816165e-05,0.0011822071,2.1803483e-07,3.6039415e-05,0.9987197,0.010219146,2,'paper',1795748942785,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO "other_answer" VALUES(X'EA967AE20F340AEB872DCE8EBED6A0DAD577D4A4E857330302BBA17AE5C4DE3C','edge_on',0.99726355,4.685419e-06,1.4896113e-05,0.0026657365,0.99726355,5.114363e-05,0.019261654,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO "other_answer" VALUES(X'EA967AE20F340AEB872DCE8EBED6A0DAD577D4A4E857330302BBA17AE5C4DE3C','edge_on',0.99693394,9.850307e-07,2.8585998e-06,0.0030285132,0.99693394,3.372778e-05,0.021023192,2,'paper',1795748942784,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
CREATE TABLE review (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    reviewer TEXT NOT NULL,
    label TEXT,
    queue TEXT,
    note TEXT,
    reviewed INTEGER NOT NULL
);
INSERT INTO "review" VALUES(1,X'9FDDDCF53B8DF89F121EE2221AFD565D2B8C6E13B1337DF1AB1518C756412339','anna','cigar',NULL,NULL,1795831200000);
CREATE TABLE watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    model INTEGER NOT NULL REFERENCES model (id),
    folders TEXT NOT NULL,
    extensions TEXT NOT NULL,
    limits TEXT NOT NULL,
    error TEXT,
    error_at TEXT
, reclassify INTEGER NOT NULL DEFAULT 1, moving TEXT NOT NULL DEFAULT '[]', follow_links INTEGER NOT NULL DEFAULT 0, exclude TEXT NOT NULL DEFAULT '[]', framing TEXT NOT NULL DEFAULT '{}', settling INTEGER NOT NULL DEFAULT 0);
INSERT INTO "watch" VALUES(1,3,'["/srv/new"]','["jpg","jpeg","png","fits","fit","fts"]','{"max_bytes":33554432,"max_pixels":16000000,"max_side":8192,"min_side":16}',NULL,NULL,1,'[]',0,'["@eaDir","#recycle","$RECYCLE.BIN","@Recycle","@Recently-Snapshot","@tmp","#snapshot","lost+found","System Volume Information","*.sync-conflict-*","* (*conflicted copy*","* (SFConflict *"]','{"/srv/new":{"framing":"auto","pixel_scale":null,"radius":null,"rendering":{"bands":[],"colours":[],"stretch":null}}}',0);
CREATE INDEX review_digest ON review (digest, reviewer, id);
CREATE UNIQUE INDEX cutout_path ON "cutout" (path);
CREATE INDEX cutout_digest ON "cutout" (substr(digest, 1, 8)) WHERE label IS NOT NULL;
CREATE INDEX cutout_object ON "cutout" (object_id);
CREATE INDEX cutout_label ON "cutout" (label, confidence, model) WHERE label IS NOT NULL;
CREATE INDEX cutout_label_time ON "cutout" (label, strftime('%Y-%m-%d %H:%M:%f', classified / 1000.0, 'unixepoch')) WHERE label IS NOT NULL;
CREATE INDEX cutout_confidence ON "cutout" (confidence) WHERE label IS NOT NULL;
CREATE INDEX cutout_time ON "cutout" (strftime('%Y-%m-%d %H:%M:%f', classified / 1000.0, 'unixepoch')) WHERE label IS NOT NULL;
CREATE INDEX cutout_flags ON "cutout" (flags) WHERE label IS NOT NULL AND flags > '';
CREATE INDEX cutout_healpix ON "cutout" (healpix) WHERE healpix IS NOT NULL;
CREATE INDEX cutout_reason ON "cutout" (path, reason) WHERE reason IS NOT NULL;
CREATE INDEX cutout_move ON "cutout" (path) WHERE move_to IS NOT NULL;
CREATE INDEX cutout_retry ON "cutout" (path) WHERE retry IS NOT NULL;
CREATE VIEW catalog AS
SELECT
    path, -- File of the cutout
    object_id, -- Identifier of the object; the name of the file without its ending where nothing else is known
    ra, -- Right ascension (ICRS)
    dec, -- Declination (ICRS)
    label, -- The most probable class
    confidence, -- The probability of the label
    p_round, -- The probability of the class round
    p_in_between, -- The probability of the class in_between
    p_cigar, -- The probability of the class cigar
    p_edge_on, -- The probability of the class edge_on
    p_spiral, -- The probability of the class spiral
    (SELECT model.name FROM model WHERE model.id = cutout.model) AS model, -- Name of the model that answered
    strftime('%Y-%m-%d %H:%M:%f', classified / 1000.0, 'unixepoch') AS classified_at, -- When it answered (UTC)
    framing, -- How the part of the image was found that the network saw
    frame_x, -- Column of the frame's centre in the image, from its left edge
    frame_y, -- Row of the frame's centre in the image, from its top edge
    frame_side, -- Side of the frame in pixels of the image; 8.48 petroR90
    flags, -- What is odd about the image, separated by commas
    position_from, -- Where ra and dec come from
    radius, -- Radius of the object (petroR90), where it is known
    stretch, -- What made a picture of a FITS image
    entropy, -- Entropy of the probabilities in nats; 0 where one class is certain
    confidence - max(min(p_round, p_in_between), min(p_round, p_cigar), min(p_round, p_edge_on), min(p_round, p_spiral), min(p_in_between, p_cigar), min(p_in_between, p_edge_on), min(p_in_between, p_spiral), min(p_cigar, p_edge_on), min(p_cigar, p_spiral), min(p_edge_on, p_spiral)) AS margin, -- The probability of the label less that of the second most probable class
    strftime('%Y-%m-%d %H:%M:%f', first_seen / 1000.0, 'unixepoch') AS first_seen, -- When the file was found (UTC)
    (SELECT model.digest FROM model WHERE model.id = cutout.model) AS model_digest, -- BLAKE3 digest of the model's file
    (SELECT model.arithmetic FROM model WHERE model.id = cutout.model) AS arithmetic, -- The numbers that the network multiplied: f32, bf16 or int8
    program_version, -- The version of galmorph that recorded the answer
    healpix, -- HEALPix cell of the position, nested, order 29
    novelty, -- How unlike the training images the image is; empty where the model doesn't say
    prediction_set -- The classes that are not ruled out at the asked coverage, the most probable first; empty where the model doesn't say
FROM cutout WHERE label IS NOT NULL;
CREATE VIEW rejected AS
SELECT
    path, -- The file
    reason, -- Why it was rejected, in a word
    bytes, -- Size of the file
    iif(typeof(modified) = 'integer', strftime('%Y-%m-%d %H:%M:%f', modified / 1000000 / 1000.0, 'unixepoch'), modified) AS modified, -- When the file was last changed (UTC)
    attempts, -- How often it was tried
    strftime('%Y-%m-%d %H:%M:%f', updated / 1000.0, 'unixepoch') AS updated, -- When it was last tried (UTC)
    message, -- Why it was rejected, in a sentence
    object_id, -- Identifier of the object
    strftime('%Y-%m-%d %H:%M:%f', first_seen / 1000.0, 'unixepoch') AS first_seen -- When the file was found (UTC)
FROM cutout WHERE reason IS NOT NULL;
CREATE VIEW probability AS
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = cutout.model) AS model,
       'round' AS class_name, cutout.p_round AS probability, 1 + (cutout.p_in_between > cutout.p_round) + (cutout.p_cigar > cutout.p_round) + (cutout.p_edge_on > cutout.p_round) + (cutout.p_spiral > cutout.p_round) AS ranking
FROM cutout WHERE label IS NOT NULL
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = other.model) AS model,
       'round' AS class_name, other.p_round AS probability, 1 + (other.p_in_between > other.p_round) + (other.p_cigar > other.p_round) + (other.p_edge_on > other.p_round) + (other.p_spiral > other.p_round) AS ranking
FROM cutout JOIN other_answer AS other ON other.digest = cutout.digest
WHERE cutout.label IS NOT NULL AND other.model <> cutout.model AND other.rendering =
    (SELECT best.rendering
     FROM (SELECT one.rendering, one.classified, one.rendering = cutout.rendering AS is_as_shown
           FROM other_answer AS one WHERE one.digest = other.digest AND one.model = other.model) AS best
     ORDER BY best.is_as_shown DESC, best.classified DESC LIMIT 1)
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = cutout.model) AS model,
       'in_between' AS class_name, cutout.p_in_between AS probability, 1 + (cutout.p_round >= cutout.p_in_between) + (cutout.p_cigar > cutout.p_in_between) + (cutout.p_edge_on > cutout.p_in_between) + (cutout.p_spiral > cutout.p_in_between) AS ranking
FROM cutout WHERE label IS NOT NULL
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = other.model) AS model,
       'in_between' AS class_name, other.p_in_between AS probability, 1 + (other.p_round >= other.p_in_between) + (other.p_cigar > other.p_in_between) + (other.p_edge_on > other.p_in_between) + (other.p_spiral > other.p_in_between) AS ranking
FROM cutout JOIN other_answer AS other ON other.digest = cutout.digest
WHERE cutout.label IS NOT NULL AND other.model <> cutout.model AND other.rendering =
    (SELECT best.rendering
     FROM (SELECT one.rendering, one.classified, one.rendering = cutout.rendering AS is_as_shown
           FROM other_answer AS one WHERE one.digest = other.digest AND one.model = other.model) AS best
     ORDER BY best.is_as_shown DESC, best.classified DESC LIMIT 1)
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = cutout.model) AS model,
       'cigar' AS class_name, cutout.p_cigar AS probability, 1 + (cutout.p_round >= cutout.p_cigar) + (cutout.p_in_between >= cutout.p_cigar) + (cutout.p_edge_on > cutout.p_cigar) + (cutout.p_spiral > cutout.p_cigar) AS ranking
FROM cutout WHERE label IS NOT NULL
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = other.model) AS model,
       'cigar' AS class_name, other.p_cigar AS probability, 1 + (other.p_round >= other.p_cigar) + (other.p_in_between >= other.p_cigar) + (other.p_edge_on > other.p_cigar) + (other.p_spiral > other.p_cigar) AS ranking
FROM cutout JOIN other_answer AS other ON other.digest = cutout.digest
WHERE cutout.label IS NOT NULL AND other.model <> cutout.model AND other.rendering =
    (SELECT best.rendering
     FROM (SELECT one.rendering, one.classified, one.rendering = cutout.rendering AS is_as_shown
           FROM other_answer AS one WHERE one.digest = other.digest AND one.model = other.model) AS best
     ORDER BY best.is_as_shown DESC, best.classified DESC LIMIT 1)
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = cutout.model) AS model,
       'edge_on' AS class_name, cutout.p_edge_on AS probability, 1 + (cutout.p_round >= cutout.p_edge_on) + (cutout.p_in_between >= cutout.p_edge_on) + (cutout.p_cigar >= cutout.p_edge_on) + (cutout.p_spiral > cutout.p_edge_on) AS ranking
FROM cutout WHERE label IS NOT NULL
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = other.model) AS model,
       'edge_on' AS class_name, other.p_edge_on AS probability, 1 + (other.p_round >= other.p_edge_on) + (other.p_in_between >= other.p_edge_on) + (other.p_cigar >= other.p_edge_on) + (other.p_spiral > other.p_edge_on) AS ranking
FROM cutout JOIN other_answer AS other ON other.digest = cutout.digest
WHERE cutout.label IS NOT NULL AND other.model <> cutout.model AND other.rendering =
    (SELECT best.rendering
     FROM (SELECT one.rendering, one.classified, one.rendering = cutout.rendering AS is_as_shown
           FROM other_answer AS one WHERE one.digest = other.digest AND one.model = other.model) AS best
     ORDER BY best.is_as_shown DESC, best.classified DESC LIMIT 1)
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = cutout.model) AS model,
       'spiral' AS class_name, cutout.p_spiral AS probability, 1 + (cutout.p_round >= cutout.p_spiral) + (cutout.p_in_between >= cutout.p_spiral) + (cutout.p_cigar >= cutout.p_spiral) + (cutout.p_edge_on >= cutout.p_spiral) AS ranking
FROM cutout WHERE label IS NOT NULL
UNION ALL
SELECT cutout.path, cutout.object_id, (SELECT name FROM model WHERE model.id = other.model) AS model,
       'spiral' AS class_name, other.p_spiral AS probability, 1 + (other.p_round >= other.p_spiral) + (other.p_in_between >= other.p_spiral) + (other.p_cigar >= other.p_spiral) + (other.p_edge_on >= other.p_spiral) AS ranking
FROM cutout JOIN other_answer AS other ON other.digest = cutout.digest
WHERE cutout.label IS NOT NULL AND other.model <> cutout.model AND other.rendering =
    (SELECT best.rendering
     FROM (SELECT one.rendering, one.classified, one.rendering = cutout.rendering AS is_as_shown
           FROM other_answer AS one WHERE one.digest = other.digest AND one.model = other.model) AS best
     ORDER BY best.is_as_shown DESC, best.classified DESC LIMIT 1);
CREATE VIEW classification AS
SELECT lower(hex(digest)) AS digest, label, confidence, p_round, p_in_between, p_cigar, p_edge_on, p_spiral, entropy, model, rendering, strftime('%Y-%m-%d %H:%M:%f', classified / 1000.0, 'unixepoch') AS classified_at, framing, frame_x, frame_y, frame_side, flags, stretch, program_version, novelty, prediction_set FROM cutout WHERE label IS NOT NULL
UNION
SELECT lower(hex(digest)) AS digest, label, confidence, p_round, p_in_between, p_cigar, p_edge_on, p_spiral, entropy, model, rendering, strftime('%Y-%m-%d %H:%M:%f', classified / 1000.0, 'unixepoch') AS classified_at, framing, frame_x, frame_y, frame_side, flags, stretch, program_version, novelty, prediction_set FROM other_answer;
PRAGMA application_id = 1735159154;
PRAGMA user_version = 7;
COMMIT;
