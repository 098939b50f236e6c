-- A stream has a model in use from its first answer on: a worker takes its own into use where there is none. Where the answers came
-- before this rule, it is the model that most files show.
INSERT INTO model_in_use (site, model, since)
SELECT DISTINCT ON (site) site, model, now()
FROM (SELECT site, model, count(*) AS files FROM cutout WHERE label IS NOT NULL GROUP BY site, model) AS shown
WHERE EXISTS (SELECT 1 FROM source WHERE source.site = shown.site AND source.name = 'stream')
    AND NOT EXISTS (SELECT 1 FROM source WHERE source.site = shown.site AND source.name <> 'stream')
ORDER BY site, files DESC, model
ON CONFLICT (site) DO NOTHING;

-- Finds the few files that don't show the model in use.
CREATE INDEX cutout_model ON cutout (site, model) WHERE label IS NOT NULL;
