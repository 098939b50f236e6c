-- How far an image's features lie from what the training images span, and the nights that look like another camera's.

ALTER TABLE cutout ADD IF NOT EXISTS camera double precision;
ALTER TABLE other_answer ADD IF NOT EXISTS camera double precision;

-- What files show. The view gets the columns of cutout that it lacks: this one, and those of others. While models are switched, it
-- looks for answers beside the rows first, in this column as in all. The first FROM of its definition is the one behind the columns.
DO $$
DECLARE
    definition text := pg_get_viewdef('shown'::regclass);
    of_answer text := CASE WHEN definition ~ '\mother_answer\M'
        THEN 'CASE WHEN one.digest IS NULL THEN cutout.camera ELSE one.camera END AS camera' ELSE 'cutout.camera' END;
    lacking text;
BEGIN
    SELECT string_agg(', ' || CASE attname WHEN 'camera' THEN of_answer ELSE format('cutout.%I', attname) END, '' ORDER BY attnum)
        INTO lacking
        FROM pg_attribute
        WHERE attrelid = 'cutout'::regclass AND attnum > 0 AND NOT attisdropped
            AND attname NOT IN (SELECT attname FROM pg_attribute WHERE attrelid = 'shown'::regclass AND attnum > 0);
    EXECUTE 'CREATE OR REPLACE VIEW shown AS '
        || overlay(definition PLACING coalesce(lacking, '') FROM strpos(definition, E'\n   FROM ') FOR 0);
END
$$;

CREATE OR REPLACE VIEW catalog AS
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
    cutout.healpix, cutout.novelty, cutout.prediction_set, cutout.site,
    CASE WHEN prior_round + prior_in_between + prior_cigar + prior_edge_on + prior_spiral IS NULL THEN NULL
    ELSE CASE greatest(
            p_round / prior_round, p_in_between / prior_in_between, p_cigar / prior_cigar,
            p_edge_on / prior_edge_on, p_spiral / prior_spiral)
        WHEN p_round / prior_round THEN 'round'
        WHEN p_in_between / prior_in_between THEN 'in_between'
        WHEN p_cigar / prior_cigar THEN 'cigar'
        WHEN p_edge_on / prior_edge_on THEN 'edge_on'
        WHEN p_spiral / prior_spiral THEN 'spiral'
        END
    END AS label_balanced,
    cutout.camera
FROM shown AS cutout LEFT JOIN model ON model.id = cutout.model
WHERE cutout.label IS NOT NULL;

-- A number of what a model's card says of its residuals; NULL where it says nothing, or there is no card.
CREATE OR REPLACE FUNCTION residual_of(card text, key text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN card::json -> 'residual' ->> key;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

-- As in a machine's catalog, and of each site. A night is called by the date of its first half; it begins and ends at noon, UTC. The
-- index of times finds the nights, newest first, and then the rows of each, so a question for the last nights reads no others. These
-- are the answers that the rows show, also while models are switched.
CREATE OR REPLACE VIEW night AS
WITH RECURSIVE each (night) AS (
    SELECT (max(classified) AT TIME ZONE 'UTC' - interval '12 hours')::date FROM cutout
    UNION ALL
    SELECT (SELECT (max(classified) AT TIME ZONE 'UTC' - interval '12 hours')::date FROM cutout
            WHERE classified < (each.night + time '12:00') AT TIME ZONE 'UTC')
    FROM each WHERE each.night IS NOT NULL
),
limits AS MATERIALIZED (
    SELECT id, name, digest, residual_of(card, 'confidence') AS confidence, residual_of(card, 'threshold') AS threshold FROM model
)
SELECT site, night, model, galaxies, counted, camera,
    CASE WHEN counted >= 20 THEN camera - 1.96 / sqrt(12.0 * counted) > threshold END AS other_camera
FROM (
    SELECT answer.site, each.night, limits.name AS model, min(limits.threshold) AS threshold,
        count(*) AS galaxies, count(answer.camera) FILTER (WHERE answer.confidence >= limits.confidence) AS counted,
        avg(answer.camera) FILTER (WHERE answer.confidence >= limits.confidence) AS camera
    FROM each
    CROSS JOIN LATERAL (
        SELECT cutout.site, cutout.model, cutout.confidence, cutout.camera FROM cutout
        WHERE cutout.label IS NOT NULL AND cutout.classified >= (each.night + time '12:00') AT TIME ZONE 'UTC'
            AND cutout.classified < (each.night + 1 + time '12:00') AT TIME ZONE 'UTC') AS answer
    JOIN limits ON limits.id = answer.model
    GROUP BY answer.site, each.night, limits.name, limits.digest
) AS summed;
