-- The model whose answers the files of a stream show. A site without a row shows the last answer of whatever model.
CREATE TABLE model_in_use (
    site text PRIMARY KEY,
    model integer NOT NULL REFERENCES model,
    since timestamptz NOT NULL
);

-- What files show. It has the columns of cutout, and is made anew where they change. While `galmorph-fleet model --use` brings
-- answers to their rows, it looks for answers of the model in use first, so that to readers the change is one step.
CREATE VIEW shown AS SELECT * FROM cutout;

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
    cutout.healpix, cutout.novelty, cutout.prediction_set, cutout.site
FROM shown AS cutout LEFT JOIN model ON model.id = cutout.model
WHERE cutout.label IS NOT NULL;
