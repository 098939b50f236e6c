-- One catalog of many machines.
--
-- The tables are those of a machine's SQLite catalog with the machine in front: a file is one wide row of cutout, with the
-- answer that its machine shows, and every other answer is in other_answer. So what a machine's catalog says and what
-- is here are the same rows.

-- A catalog that is shipped here. site is the machine's name, or the survey's. name tells several catalogs of one site
-- apart. session counts who ships: an earlier one that wakes up writes nothing.
CREATE TABLE source (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site text NOT NULL,
    name text NOT NULL DEFAULT '',
    catalog text NOT NULL,
    session bigint NOT NULL DEFAULT 0,
    program text,
    shipped timestamptz,
    UNIQUE (site, name)
);

-- How far each catalog is shipped: the digest of some neighbouring rows, as they are here. It is written in the transaction
-- that writes the rows.
CREATE TABLE block (
    source integer NOT NULL REFERENCES source ON DELETE CASCADE,
    kind smallint NOT NULL,
    number bigint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (source, kind, number)
);

-- key is the digest of the model's file and of the card with the settings in use.
CREATE TABLE model (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bytea NOT NULL UNIQUE,
    name text NOT NULL,
    digest text NOT NULL,
    card text NOT NULL,
    arithmetic text,
    first_used timestamptz NOT NULL
);

-- path_key is the beginning of the BLAKE3 digest of the path: an index takes no path of any length. modified is
-- in nanoseconds since 1970; NULL in a year that 64 bits of them don't reach. local_id is the row's id in its machine's
-- catalog; NULL if that catalog is gone.
CREATE TABLE cutout (
    site text NOT NULL,
    path_key bytea NOT NULL,
    path text NOT NULL,
    source integer NOT NULL,
    local_id bigint,
    object_id text NOT NULL,
    ra double precision,
    dec double precision,
    position_from text,
    radius double precision,
    healpix bigint,
    digest bytea,
    bytes bigint NOT NULL,
    modified bigint,
    width bigint,
    height bigint,
    reason text,
    message text,
    attempts bigint NOT NULL,
    first_seen timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    label text,
    confidence double precision,
    p_round double precision,
    p_in_between double precision,
    p_cigar double precision,
    p_edge_on double precision,
    p_spiral double precision,
    entropy double precision,
    model integer,
    rendering text,
    classified timestamptz,
    framing text,
    frame_x double precision,
    frame_y double precision,
    frame_side double precision,
    flags text,
    stretch text,
    program_version text,
    novelty double precision,
    prediction_set text,
    CHECK ((label IS NULL) = (reason IS NOT NULL)),
    PRIMARY KEY (site, path_key, first_seen)
) PARTITION BY RANGE (first_seen);
CREATE INDEX cutout_local ON cutout (source, local_id);
CREATE INDEX cutout_path ON cutout USING hash (path);
CREATE INDEX cutout_object ON cutout (object_id);
CREATE INDEX cutout_label ON cutout (label, confidence);
CREATE INDEX cutout_classified ON cutout (classified);
CREATE INDEX cutout_healpix ON cutout (healpix) WHERE healpix IS NOT NULL;

-- The answers that a file of their content doesn't show, of all machines. The first one of a key stays.
CREATE TABLE other_answer (
    digest bytea NOT NULL,
    model integer NOT NULL REFERENCES model,
    rendering text NOT NULL,
    label text NOT NULL,
    confidence double precision NOT NULL,
    p_round double precision NOT NULL,
    p_in_between double precision NOT NULL,
    p_cigar double precision NOT NULL,
    p_edge_on double precision NOT NULL,
    p_spiral double precision NOT NULL,
    entropy double precision NOT NULL,
    classified timestamptz NOT NULL,
    framing text,
    frame_x double precision,
    frame_y double precision,
    frame_side double precision,
    flags text,
    stretch text,
    program_version text,
    novelty double precision,
    prediction_set text,
    PRIMARY KEY (digest, model, rendering)
);

-- What people say of images. Of a reviewer's words on a content, the newest counts.
CREATE TABLE review (
    source integer NOT NULL REFERENCES source ON DELETE CASCADE,
    local_id bigint NOT NULL,
    digest bytea NOT NULL,
    reviewer text NOT NULL,
    label text,
    queue text,
    note text,
    reviewed timestamptz NOT NULL,
    PRIMARY KEY (source, local_id)
);
CREATE INDEX review_digest ON review (digest, reviewer);

-- Files that were found before keep_from are not kept. One row.
CREATE TABLE retention (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    keep_from timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO retention DEFAULT VALUES;

-- Makes the partition of a month, if it is not there. It belongs to the owner of the schema, so whoever ships needs no
-- right to make tables.
CREATE FUNCTION make_month(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = @SCHEMA@, pg_temp AS $$
DECLARE
    first date := date_trunc('month', month);
    name text := 'cutout_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Two that make it at once wait for each other here.
    PERFORM pg_advisory_xact_lock(hashtext('galmorph make_month'));
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %I PARTITION OF cutout FOR VALUES FROM (%L) TO (%L)',
        name, first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC');
END
$$;

-- The angle between two positions; all in degrees. Vincenty's formula, which keeps its digits everywhere.
CREATE FUNCTION separation(ra double precision, "dec" double precision, other_ra double precision, other_dec double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT degrees(atan2(
        sqrt(power(cosd(other_dec) * sind(other_ra - ra), 2)
             + power(cosd("dec") * sind(other_dec) - sind("dec") * cosd(other_dec) * cosd(other_ra - ra), 2)),
        sind("dec") * sind(other_dec) + cosd("dec") * cosd(other_dec) * cosd(other_ra - ra)))
$$;

-- The columns of a machine's view catalog, in its order, and the site behind them.
CREATE VIEW catalog AS
SELECT
    cutout.path, cutout.object_id, cutout.ra, cutout.dec, cutout.label, cutout.confidence,
    cutout.p_round, cutout.p_in_between, cutout.p_cigar, cutout.p_edge_on, cutout.p_spiral,
    model.name AS model, cutout.classified AS classified_at,
    cutout.framing, cutout.frame_x, cutout.frame_y, cutout.frame_side, cutout.flags, cutout.position_from,
    cutout.radius, cutout.stretch, cutout.entropy,
    cutout.confidence - (
        SELECT p FROM unnest(ARRAY[p_round, p_in_between, p_cigar, p_edge_on, p_spiral]) AS p
        ORDER BY p DESC OFFSET 1 LIMIT 1) AS margin,
    cutout.first_seen, model.digest AS model_digest, model.arithmetic, cutout.program_version,
    cutout.healpix, cutout.novelty, cutout.prediction_set, cutout.site
FROM cutout LEFT JOIN model ON model.id = cutout.model
WHERE cutout.label IS NOT NULL;

CREATE VIEW rejected AS
SELECT path, reason, bytes, to_timestamp(modified / 1e9) AS modified, attempts, updated, message, object_id, first_seen, site
FROM cutout WHERE reason IS NOT NULL;

-- As in a machine's catalog, and as ALeRCE has it: a row for each file, model and class. Of several answers of one model
-- for one file, the one that is framed as the file's own goes first, and then the newest.
CREATE VIEW probability AS
SELECT cutout.path, cutout.object_id, model.name AS model, class.name AS class_name, class.probability, class.ranking, cutout.site
FROM (
    SELECT site, path, object_id, label, model, p_round, p_in_between, p_cigar, p_edge_on, p_spiral
    FROM cutout WHERE label IS NOT NULL
    UNION ALL
    SELECT cutout.site, cutout.path, cutout.object_id, other.label, other.model, other.p_round, other.p_in_between,
        other.p_cigar, other.p_edge_on, other.p_spiral
    FROM cutout CROSS JOIN LATERAL (
        SELECT DISTINCT ON (one.model) one.* FROM other_answer AS one
        WHERE one.digest = cutout.digest AND one.model <> cutout.model
        ORDER BY one.model, (one.rendering = cutout.rendering) DESC, one.classified DESC) AS other
    WHERE cutout.label IS NOT NULL
) AS cutout
JOIN model ON model.id = cutout.model
CROSS JOIN LATERAL (
    SELECT name, probability, row_number() OVER (ORDER BY probability DESC, place) AS ranking
    FROM (VALUES (0, 'round', p_round), (1, 'in_between', p_in_between), (2, 'cigar', p_cigar),
                 (3, 'edge_on', p_edge_on), (4, 'spiral', p_spiral)) AS class (place, name, probability)
) AS class;
