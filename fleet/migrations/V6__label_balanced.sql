-- The label where all classes are equally common: that of the largest probability divided by the class's fraction in the images
-- that the model was trained on.

-- What a model's card says of a class's fraction; NULL where it says nothing, or there is no card.
CREATE OR REPLACE FUNCTION prior_of(card text, class text) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    fraction double precision;
BEGIN
    fraction := card::json -> 'prior' ->> class;
    RETURN CASE WHEN fraction > 0 AND fraction <= 1 THEN fraction END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

ALTER TABLE model
    ADD IF NOT EXISTS prior_round double precision GENERATED ALWAYS AS (prior_of(card, 'round')) STORED,
    ADD IF NOT EXISTS prior_in_between double precision GENERATED ALWAYS AS (prior_of(card, 'in_between')) STORED,
    ADD IF NOT EXISTS prior_cigar double precision GENERATED ALWAYS AS (prior_of(card, 'cigar')) STORED,
    ADD IF NOT EXISTS prior_edge_on double precision GENERATED ALWAYS AS (prior_of(card, 'edge_on')) STORED,
    ADD IF NOT EXISTS prior_spiral double precision GENERATED ALWAYS AS (prior_of(card, 'spiral')) STORED;

-- Of equals, the first class. greatest() leaves out what is NULL, so the first line says what a model without a class mix has.
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
    END AS label_balanced
FROM shown AS cutout LEFT JOIN model ON model.id = cutout.model
WHERE cutout.label IS NOT NULL;
