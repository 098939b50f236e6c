-- A catalog as version 8 of the schema had it: that of version-7.sql, brought up to date, two files that galmorph-1 answered since,
-- and a class mix that was kept. The card of that model is cut down. For the tests of what later versions do with one.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "cutout" (
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
INSERT INTO cutout VALUES(1,'/srv/in/retry.jpg','retry',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'paper',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'3bbc8482986bbf238bbbe046fbf4320e8a9b3e49d40a36d57774d0bef72df054',3000,1795748940078476832,NULL,NULL,'broken','broken image: compressed data is missing',1,1795748940398,1795748959959,1795748945349,NULL);
INSERT INTO cutout VALUES(2,'/srv/in/broken.jpg','broken',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'bab6e313ae79055f25fe664229749d6e69c30580431ab61dd8f58947789af54c',3,1795748940073619618,NULL,NULL,'not_an_image','not a JPEG, PNG or FITS image',1,1795748940398,1795748942408,NULL,NULL);
INSERT INTO cutout VALUES(3,'/srv/in/replaced.jpg','replaced',NULL,NULL,'in_between',0.98275380000000001068,0.017213111999999999163,0.98275380000000001068,1.5882759000000000985e-05,8.6524700000000001861e-06,8.4998499999999996036e-06,0.087393319999999996561,1,'paper',1795748945068,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'ab4c9704121ceb20237bfd037eeccc4d9f392c86b457a0cc3204593795af3410',15707,1795748942803078064,424,424,NULL,NULL,1,1795748940398,1795748945068,NULL,NULL);
INSERT INTO cutout VALUES(4,'/srv/in/spiral-copy.jpg','spiral-copy',NULL,NULL,'spiral',0.97875749999999994699,0.0015185585000000001009,0.018249492999999998577,6.5717100000000001382e-05,0.0014087531000000000358,0.97875749999999994699,0.11381608999999999476,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'e71497be08a661373338b72d3f057eed94b38eab51a208ab31e82579d222e13b',14374,1795748940066039175,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO cutout VALUES(5,'/srv/in/cigar-1.jpg','cigar-1',NULL,NULL,'cigar',0.82882356999999995395,2.6888191999999999262e-05,0.018034576999999999552,0.82882356999999995395,0.15200837000000000376,0.0011065559000000000419,0.52219819999999994575,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'3e6dddfce33f15ee9c315c6fc54320d8f2f29b8486f96cc85b96be3b7aaefce3',13968,1795748940069918186,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO cutout VALUES(6,'/srv/in/round-1.jpg','round-1',NULL,NULL,'round',0.99944860000000002031,0.99944860000000002031,0.00052610953999999998404,2.8397080000000001123e-07,1.6919395999999999205e-06,2.3319753000000001358e-05,0.0047988774999999997405,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'da09fec68528e1890547181bc72ff1f00c7ca894ce88b0c8edd3846f4a02bce4',14374,1795748940067960055,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO cutout VALUES(7,'/srv/in/spiral-1.jpg','spiral-1',NULL,NULL,'spiral',0.97875749999999994699,0.0015185585000000001009,0.018249492999999998577,6.5717100000000001382e-05,0.0014087531000000000358,0.97875749999999994699,0.11381608999999999476,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'e71497be08a661373338b72d3f057eed94b38eab51a208ab31e82579d222e13b',14374,1795748940057588821,424,424,NULL,NULL,1,1795748940398,1795748942785,NULL,NULL);
INSERT INTO cutout VALUES(8,'/srv/in/edge_on-1.fits.gz','edge_on-1',NULL,NULL,'edge_on',0.9960968999999999518,2.7230563999999999439e-07,7.2401604999999995921e-07,0.0038475266000000001888,0.9960968999999999518,5.4589997000000002624e-05,0.0258391500000000017,1,'measured 1',1795748962017,'measured',128.03999999999999204,127.76999999999999602,342.63999999999998635,'','sdss',NULL,NULL,NULL,NULL,NULL,NULL,X'612297eb1a3da08a60eb1e9ab0d05d0bfcd3fb05c4aec1a16281072c94074edf',128058,1795748959737723284,256,256,NULL,NULL,1,1795748959959,1795748962017,NULL,NULL);
INSERT INTO cutout VALUES(9,'/srv/in/huge.jpg','huge',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,9000000000,'2400-01-02T03:04:05.678901234Z',NULL,NULL,'too_large','it has 9000000000 bytes',1,1795748880001,1795748880002,NULL,NULL);
INSERT INTO cutout VALUES(10,'/srv/new/cigar-5.jpg','cigar-5',NULL,NULL,'cigar',0.99347540000000000848,9.2945689999999992706e-06,3.4436437999999998415e-05,0.99347540000000000848,0.006461841000000000286,1.896816500000000002e-05,0.039750673000000000256,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.019929826000000001179,'cigar',NULL,NULL,NULL,X'bd52ddb23729dde363ad45c5df5cb9747f10783f75c4ccac1068d770c9e266fb',13651,1795832287338298819,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO cutout VALUES(11,'/srv/new/spiral-4.jpg','spiral-4',NULL,NULL,'spiral',0.99133700000000002372,0.0034464332000000001167,0.0046935934000000003804,4.0684189999999998497e-05,0.00048228947000000002261,0.99133700000000002372,0.057427577999999999958,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.0053717493999999995843,'spiral',NULL,NULL,NULL,X'd0ee1706a6162bb4e907b5cbc26778d66a93fa31f7597c4f4d7beba7bb58df65',15792,1795832287338352747,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO cutout VALUES(12,'/srv/new/edge_on-3.jpg','edge_on-3',NULL,NULL,'edge_on',0.9996412999999999549,1.88283450000000004e-05,2.2872046999999999109e-05,0.00029355186000000000126,0.9996412999999999549,2.348210699999999916e-05,0.003445786399999999864,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.013255298000000000427,'edge_on',NULL,NULL,NULL,X'bb8d277601e794dec5838cd9606c930803bdf4eba1d084bc8c832dbfc0d7e0fd',14982,1795832287338325785,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO cutout VALUES(13,'/srv/new/cigar-2.jpg','cigar-2',NULL,NULL,'cigar',0.99698319999999995832,6.6880294999999996097e-07,4.1608145999999996394e-06,0.99698319999999995832,0.0030077694000000001171,4.2272813999999996111e-06,0.020590425999999998479,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.014926791000000000017,'cigar',NULL,NULL,NULL,X'9fdddcf53b8df89f121ee2221afd565d2b8c6e13b1337df1ab1518c756412339',15391,1795832287338259426,424,424,NULL,NULL,1,1795832288503,1795832290670,NULL,NULL);
INSERT INTO cutout VALUES(14,'/srv/new/in_between-1.jpg','in_between-1',NULL,NULL,'in_between',0.5,0.29999999999999998889,0.5,0.1875,0.002500000000000000052,0.010000000000000000208,0.086704253999999994495,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.015953242999999998896,'in_between',NULL,NULL,NULL,X'ab4c9704121ceb20237bfd037eeccc4d9f392c86b457a0cc3204593795af3410',15707,1795832287338378223,424,424,NULL,NULL,1,1795832288504,1795832290670,NULL,NULL);
INSERT INTO cutout VALUES(15,'/srv/new/round-2.jpg','round-2',NULL,NULL,'round',0.99527759999999998452,0.99527759999999998452,0.0034357916999999999103,2.3773624000000001203e-05,9.0929730000000006679e-05,0.0011719599000000000682,0.033213145999999998947,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.012510716999999999324,'round',NULL,NULL,NULL,X'f461df4549afc31105fd145ec767ef3865cfd7c99131f6eadd4286ad2fabfaf3',14694,1795832287338407119,424,424,NULL,NULL,1,1795832288504,1795832290670,NULL,NULL);
INSERT INTO cutout VALUES(16,'/srv/later/rotated.jpg','rotated',NULL,NULL,'in_between',0.67433010000000004335,0.0010573025999999999691,0.67433010000000004335,0.019202916000000000429,0.086608134000000003283,0.21880150000000000987,0.89322140000000005422,4,'measured 2',1795862656305,'measured',12.490000000000000213,12.539999999999999147,43.469999999999998862,'upsampled',NULL,'0.1.0',0.11984878999999999671,'in_between|cigar',NULL,NULL,NULL,X'dab6199c9c52fb4a766685e5ac0be892e5804be579e952a5231bdfd09e607920',788,1795856400000000000,24,24,NULL,NULL,1,1795862656259,1795862656305,NULL,NULL);
INSERT INTO cutout VALUES(17,'/srv/later/baseline.jpg','baseline',NULL,NULL,'in_between',0.67433010000000004335,0.0010573025999999999691,0.67433010000000004335,0.019202916000000000429,0.086608134000000003283,0.21880150000000000987,0.89322140000000005422,4,'measured 2',1795862656305,'measured',12.490000000000000213,12.539999999999999147,43.469999999999998862,'upsampled',NULL,'0.1.0',0.11984878999999999671,'in_between|cigar',NULL,NULL,NULL,X'fc8a6b6286533abb4dbee288c36e0960ca12327d9a722103e8d7c61512e36c05',752,1795856400000000000,24,24,NULL,NULL,1,1795862656259,1795862656305,NULL,NULL);
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    card TEXT NOT NULL,
    first_used TEXT NOT NULL, arithmetic TEXT, prior_round REAL, prior_in_between REAL, prior_cigar REAL, prior_edge_on REAL, prior_spiral REAL,
    UNIQUE (digest, card)
);
INSERT INTO model VALUES(1,'zhu2019-small','55da354311b5f422725b68911d1c17b31932d16565610ea0f24aa916e371e6a8','{"format":1,"name":"zhu2019-small","network":"zhu2019 k=0.375 N=2 drop=0","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[180,200,220,240],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0,"training":{"images":24618,"data_digest":"4aa5abdd741b60b8e1941c839cb6664306a8a49e0fff70297134b4e357f2f8f3","seed":1,"epochs":30,"commit":"92c540e1b77a83abd0fa86c45c72937d5e19c0d9, e170b89b208663712107d53887592553094708c7","command":"galmorph-train train --labels ../shared/galaxyzoo/labels.csv --images ../shared/galaxyzoo/crop264-0.tar ../shared/galaxyzoo/crop264-1.tar ../shared/galaxyzoo/crop264-2.tar ../shared/galaxyzoo/crop264-3.tar ../shared/galaxyzoo/crop264-4.tar ../shared/galaxyzoo/crop264-5.tar --output target/runs/zhu2019-small --network ''zhu2019 k=0.375'' --epochs 30 --weight-decay 5e-4"},"validation":{"images":1296,"accuracy":0.9567901234567902,"per_scale":[{"scale":180,"accuracy":0.9621913580246914},{"scale":200,"accuracy":0.9591049382716048},{"scale":220,"accuracy":0.9513888888888888},{"scale":240,"accuracy":0.9498456790123456}],"per_class":[{"class":"round","images":380,"recall":0.9736842105263158},{"class":"in_between","images":363,"recall":0.9614325068870524},{"class":"cigar","images":26,"recall":0.5384615384615384},{"class":"edge_on","images":176,"recall":0.9602272727272728},{"class":"spiral","images":351,"recall":0.9629629629629628}]},"arithmetic":"bf16"}','2026-11-27T03:09:00.387Z','bf16',NULL,NULL,NULL,NULL,NULL);
INSERT INTO model VALUES(2,'zhu2019-small','55da354311b5f422725b68911d1c17b31932d16565610ea0f24aa916e371e6a8','{"format":1,"name":"zhu2019-small","network":"zhu2019 k=0.375 N=2 drop=0","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[200],"resize":80,"crop":64,"resampling":"tensorflow1_bilinear","whitening":"per_image"},"temperature":1.0,"training":{"images":24618,"data_digest":"4aa5abdd741b60b8e1941c839cb6664306a8a49e0fff70297134b4e357f2f8f3","seed":1,"epochs":30,"commit":"92c540e1b77a83abd0fa86c45c72937d5e19c0d9, e170b89b208663712107d53887592553094708c7","command":"galmorph-train train --labels ../shared/galaxyzoo/labels.csv --images ../shared/galaxyzoo/crop264-0.tar ../shared/galaxyzoo/crop264-1.tar ../shared/galaxyzoo/crop264-2.tar ../shared/galaxyzoo/crop264-3.tar ../shared/galaxyzoo/crop264-4.tar ../shared/galaxyzoo/crop264-5.tar --output target/runs/zhu2019-small --network ''zhu2019 k=0.375'' --epochs 30 --weight-decay 5e-4"},"validation":{"images":1296,"accuracy":0.9567901234567902,"per_scale":[{"scale":180,"accuracy":0.9621913580246914},{"scale":200,"accuracy":0.9591049382716048},{"scale":220,"accuracy":0.9513888888888888},{"scale":240,"accuracy":0.9498456790123456}],"per_class":[{"class":"round","images":380,"recall":0.9736842105263158},{"class":"in_between","images":363,"recall":0.9614325068870524},{"class":"cigar","images":26,"recall":0.5384615384615384},{"class":"edge_on","images":176,"recall":0.9602272727272728},{"class":"spiral","images":351,"recall":0.9629629629629628}]},"arithmetic":"bf16"}','2026-11-27T03:09:02.724Z','bf16',NULL,NULL,NULL,NULL,NULL);
INSERT INTO model VALUES(3,'galmorph-1','198aa50950fe061f5cd0a7a59b1b47016bf8efb99cd3f7771a35bc1a5f4245d5','{"format":2,"name":"galmorph-1","network":"basic-resnet side=128 width=64 n1=1 n2=3 n3=1","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[198],"resize":144,"crop":128,"resampling":"antialiased","whitening":"per_image"},"temperature":0.66879505,"framing":"paper","prior":{"round":0.2929969940693801,"in_between":0.2802420992769518,"cigar":0.020107238605898123,"edge_on":0.13555122268258998,"spiral":0.27110244536517997}}','2026-11-28T02:18:08.477Z','f32',0.29299699406938012335,0.28024209927695181709,0.02010723860589812284,0.13555122268258998352,0.27110244536517996705);
INSERT INTO model VALUES(4,'galmorph-1','25543d8bfb2cae47d7c9b73bdbe2ab0a497e8ca0908764e6b948d0d470a9b344','{"format":2,"name":"galmorph-1","network":"basic-resnet side=128 width=64 n1=1 n2=3 n3=1","classes":["round","in_between","cigar","edge_on","spiral"],"preprocessing":{"test_scales":[198],"resize":144,"crop":128,"resampling":"antialiased","whitening":"per_image"},"temperature":0.6184666,"framing":"paper","prior":{"round":0.2929969940693801,"in_between":0.2802420992769518,"cigar":0.020107238605898123,"edge_on":0.13555122268258998,"spiral":0.27110244536517997}}','2026-11-28T10:44:16.240Z','bf16',0.29299699406938012335,0.28024209927695181709,0.02010723860589812284,0.13555122268258998352,0.27110244536517996705);
CREATE TABLE IF NOT EXISTS "other_answer" (
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
INSERT INTO other_answer VALUES(X'3e6dddfce33f15ee9c315c6fc54320d8f2f29b8486f96cc85b96be3b7aaefce3','cigar',0.862125750000000024,1.100800550000000036e-05,0.015476747000000000767,0.862125750000000024,0.12116396999999999584,0.0012225128999999999076,0.45646828000000000402,2,'paper',1795748942785,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO other_answer VALUES(X'ab4c9704121ceb20237bfd037eeccc4d9f392c86b457a0cc3204593795af3410','in_between',0.98275380000000001068,0.017213111999999999163,0.98275380000000001068,1.5882759000000000985e-05,8.6524700000000001861e-06,8.4998499999999996036e-06,0.087393319999999996561,1,'paper',1795748945068,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO other_answer VALUES(X'ab4c9704121ceb20237bfd037eeccc4d9f392c86b457a0cc3204593795af3410','in_between',0.9837373000000000367,0.015486954000000000691,0.9837373000000000367,2.3254699999999999459e-05,0.00014480955999999998713,0.00060768089999999996397,0.086704253999999994495,3,'paper',1795832290670,'paper',212.0,212.0,424.0,'',NULL,'0.1.0',0.015953242999999998896,'in_between');
INSERT INTO other_answer VALUES(X'da09fec68528e1890547181bc72ff1f00c7ca894ce88b0c8edd3846f4a02bce4','round',0.99958484999999996922,0.99958484999999996922,0.00039853096999999999437,1.5432495000000000442e-07,1.0698542999999999425e-06,1.542468299999999836e-05,0.0037226783999999998008,2,'paper',1795748942785,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO other_answer VALUES(X'e71497be08a661373338b72d3f057eed94b38eab51a208ab31e82579d222e13b','spiral',0.99871969999999998801,6.181616499999999703e-05,0.0011822071000000000402,2.1803482999999999865e-07,3.6039415000000000262e-05,0.99871969999999998801,0.010219146000000000132,2,'paper',1795748942785,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO other_answer VALUES(X'ea967ae20f340aeb872dce8ebed6a0dad577d4a4e857330302bba17ae5c4de3c','edge_on',0.99726354999999999861,4.6854190000000003795e-06,1.4896113000000000132e-05,0.0026657364999999998839,0.99726354999999999861,5.1143629999999998085e-05,0.019261653999999999581,1,'paper',1795748942464,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
INSERT INTO other_answer VALUES(X'ea967ae20f340aeb872dce8ebed6a0dad577d4a4e857330302bba17ae5c4de3c','edge_on',0.99693394000000001842,9.8503070000000007757e-07,2.8585998000000001621e-06,0.0030285132000000001065,0.99693394000000001842,3.3727779999999997788e-05,0.021023191999999999574,2,'paper',1795748942784,'paper',212.0,212.0,424.0,'',NULL,NULL,NULL,NULL);
CREATE TABLE review (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    reviewer TEXT NOT NULL,
    label TEXT,
    queue TEXT,
    note TEXT,
    reviewed INTEGER NOT NULL
);
INSERT INTO review VALUES(1,X'9fdddcf53b8df89f121ee2221afd565d2b8c6e13b1337df1ab1518c756412339','anna','cigar',NULL,NULL,1795831200000);
CREATE TABLE watch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    model INTEGER NOT NULL REFERENCES model (id),
    folders TEXT NOT NULL,
    extensions TEXT NOT NULL,
    limits TEXT NOT NULL,
    error TEXT,
    error_at TEXT
, reclassify INTEGER NOT NULL DEFAULT 1, moving TEXT NOT NULL DEFAULT '[]', follow_links INTEGER NOT NULL DEFAULT 0, exclude TEXT NOT NULL DEFAULT '[]', framing TEXT NOT NULL DEFAULT '{}', settling INTEGER NOT NULL DEFAULT 0);
INSERT INTO watch VALUES(1,4,'["/srv/later"]','["jpg","jpeg","png","fits","fit","fts"]','{"max_bytes":33554432,"max_pixels":16000000,"max_side":8192,"min_side":16}',NULL,NULL,1,'[]',0,'["@eaDir","#recycle","$RECYCLE.BIN","@Recycle","@Recently-Snapshot","@tmp","#snapshot","lost+found","System Volume Information","*.sync-conflict-*","* (*conflicted copy*","* (SFConflict *"]','{"/srv/later":{"framing":"auto","pixel_scale":null,"radius":null,"rendering":{"bands":[],"colours":[],"stretch":null}}}',0);
CREATE TABLE class_mix (
    model TEXT NOT NULL,
    model_digest TEXT NOT NULL,
    galaxies INTEGER NOT NULL,
    estimated_at TEXT NOT NULL,
    selection TEXT NOT NULL,
    fraction_round REAL NOT NULL,
    fraction_low_round REAL NOT NULL,
    fraction_high_round REAL NOT NULL,
    fraction_in_between REAL NOT NULL,
    fraction_low_in_between REAL NOT NULL,
    fraction_high_in_between REAL NOT NULL,
    fraction_cigar REAL NOT NULL,
    fraction_low_cigar REAL NOT NULL,
    fraction_high_cigar REAL NOT NULL,
    fraction_edge_on REAL NOT NULL,
    fraction_low_edge_on REAL NOT NULL,
    fraction_high_edge_on REAL NOT NULL,
    fraction_spiral REAL NOT NULL,
    fraction_low_spiral REAL NOT NULL,
    fraction_high_spiral REAL NOT NULL,
    PRIMARY KEY (model_digest, model)
) WITHOUT ROWID;
INSERT INTO class_mix VALUES('galmorph-1','25543d8bfb2cae47d7c9b73bdbe2ab0a497e8ca0908764e6b948d0d470a9b344',2,'2026-11-28 10:44:25.995','galmorph query --class-mix --keep --model galmorph-1 --since 1h --catalog g.sqlite',2.3081906373560457808e-54,0.0,0.6181640625,0.99999999735701816661,0.038574218546097993609,1.0,1.7008049564704829116e-09,0.0,1.0,5.5306333893674371432e-12,0.0,0.84033203125176614278,9.3664626795944675519e-10,0.0,0.92871093763354517491);
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
    prediction_set, -- The classes that are not ruled out at the asked coverage, the most probable first; empty where the model doesn't say
    (SELECT CASE max(p_round / prior_round, p_in_between / prior_in_between, p_cigar / prior_cigar, p_edge_on / prior_edge_on, p_spiral / prior_spiral) WHEN p_round / prior_round THEN 'round' WHEN p_in_between / prior_in_between THEN 'in_between' WHEN p_cigar / prior_cigar THEN 'cigar' WHEN p_edge_on / prior_edge_on THEN 'edge_on' WHEN p_spiral / prior_spiral THEN 'spiral' END FROM model WHERE model.id = cutout.model) AS label_balanced -- The most probable class where all classes are equally common; empty where the model doesn't say on which mix it was trained
FROM cutout WHERE label IS NOT NULL
;
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
FROM cutout WHERE reason IS NOT NULL
;
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
CREATE VIEW in_class_mix AS
SELECT path, object_id, model, label,
    CASE WHEN total > 0 THEN CASE max(w_round, w_in_between, w_cigar, w_edge_on, w_spiral) WHEN w_round THEN 'round' WHEN w_in_between THEN 'in_between' WHEN w_cigar THEN 'cigar' WHEN w_edge_on THEN 'edge_on' WHEN w_spiral THEN 'spiral' END ELSE label END AS label_in_mix,
    CASE WHEN total > 0 THEN w_round / total ELSE p_round END AS p_round_in_mix,
    CASE WHEN total > 0 THEN w_in_between / total ELSE p_in_between END AS p_in_between_in_mix,
    CASE WHEN total > 0 THEN w_cigar / total ELSE p_cigar END AS p_cigar_in_mix,
    CASE WHEN total > 0 THEN w_edge_on / total ELSE p_edge_on END AS p_edge_on_in_mix,
    CASE WHEN total > 0 THEN w_spiral / total ELSE p_spiral END AS p_spiral_in_mix
FROM (SELECT *, w_round + w_in_between + w_cigar + w_edge_on + w_spiral AS total
      FROM (SELECT cutout.path, cutout.object_id, model.name AS model, cutout.label,
    p_round, p_round * fraction_round / prior_round AS w_round,
    p_in_between, p_in_between * fraction_in_between / prior_in_between AS w_in_between,
    p_cigar, p_cigar * fraction_cigar / prior_cigar AS w_cigar,
    p_edge_on, p_edge_on * fraction_edge_on / prior_edge_on AS w_edge_on,
    p_spiral, p_spiral * fraction_spiral / prior_spiral AS w_spiral
            FROM cutout CROSS JOIN model ON model.id = cutout.model
            CROSS JOIN class_mix ON class_mix.model_digest = model.digest AND class_mix.model = model.name
            WHERE cutout.label IS NOT NULL AND prior_round > 0 AND prior_in_between > 0 AND prior_cigar > 0 AND prior_edge_on > 0 AND prior_spiral > 0));
COMMIT;
PRAGMA application_id = 1735159154;
PRAGMA user_version = 8;
