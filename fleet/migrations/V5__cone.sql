-- The rows near a position, found by the index of healpix. Angles are in degrees.

-- The cells that have all of a circle in them, and some of its surroundings, as ranges of healpix. As in galmorph's
-- catalog/src/healpix.rs (Górski et al. 2005): the twelve faces of the sphere are cut into four, time after time, until the cells are
-- eight times smaller than the circle, or lie in it.
CREATE OR REPLACE FUNCTION cells_of_cone(ra double precision, "dec" double precision, radius double precision)
RETURNS TABLE (first bigint, last bigint) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT ROWS 30 AS $$
DECLARE
    side bigint := 1;
    reach double precision;
    is_finest boolean;
    -- Cells of one order: their faces, and their places there.
    faces integer[] := ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    xs bigint[] := array_fill(0, ARRAY[12]);
    ys bigint[] := array_fill(0, ARRAY[12]);
    numbers bigint[] := ARRAY[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    next_faces integer[];
    next_xs bigint[];
    next_ys bigint[];
    next_numbers bigint[];
    line bigint;
    width bigint;
    centre_ra double precision;
    centre_dec double precision;
    distance double precision;
    firsts bigint[] := '{}';
    lasts bigint[] := '{}';
BEGIN
    FOR depth IN 0..29 LOOP
        -- No point of a cell of this order is further from its centre: those that reach furthest are at the upper corner of the
        -- faces around the equator.
        reach := separation(45.0 / side, asind(2.0 / 3.0), 0, asind(1 - power(1 - 1.0::float8 / side, 2) / 3));
        is_finest := reach * 8 < radius OR depth = 29;
        next_faces := '{}';
        next_xs := '{}';
        next_ys := '{}';
        next_numbers := '{}';
        FOR at IN 1..cardinality(numbers) LOOP
            line := (2 + faces[at] / 4) * side - xs[at] - ys[at] - 1;
            -- The distance from a pole keeps its digits there; the sine of the declination doesn't.
            IF line < side THEN
                width := line;
                centre_dec := 90 - 2 * asind(line / (side * sqrt(6)));
            ELSIF line > 3 * side THEN
                width := 4 * side - line;
                centre_dec := 2 * asind(width / (side * sqrt(6))) - 90;
            ELSE
                width := side;
                centre_dec := asind((2 * side - line) * 2.0::float8 / (3 * side));
            END IF;
            centre_ra := (CASE WHEN faces[at] / 4 = 1 THEN 2 * (faces[at] % 4) ELSE 2 * (faces[at] % 4) + 1 END * width + xs[at] - ys[at])
                * 45.0::float8 / width;
            distance := separation(ra, "dec", centre_ra, centre_dec);
            IF distance > radius + reach THEN
                CONTINUE;
            ELSIF is_finest OR distance + reach < radius THEN
                firsts := firsts || (numbers[at] << (2 * (29 - depth)));
                lasts := lasts || (((numbers[at] + 1) << (2 * (29 - depth))) - 1);
            ELSE
                FOR quarter IN 0..3 LOOP
                    next_faces := next_faces || faces[at];
                    next_xs := next_xs || 2 * xs[at] + (quarter & 1);
                    next_ys := next_ys || 2 * ys[at] + (quarter >> 1);
                    next_numbers := next_numbers || 4 * numbers[at] + quarter;
                END LOOP;
            END IF;
        END LOOP;
        EXIT WHEN cardinality(next_numbers) = 0;
        faces := next_faces;
        xs := next_xs;
        ys := next_ys;
        numbers := next_numbers;
        side := side * 2;
    END LOOP;
    -- Neighbours are one range.
    RETURN QUERY
        SELECT min(part.one), max(part.other)
        FROM (SELECT cell.one, cell.other, sum(cell.is_first) OVER (ORDER BY cell.one) AS range
              FROM (SELECT found.one, found.other,
                        (found.one - 1 IS DISTINCT FROM lag(found.other) OVER (ORDER BY found.one))::integer AS is_first
                    FROM unnest(firsts, lasts) AS found (one, other)) AS cell) AS part
        GROUP BY part.range ORDER BY 1;
END
$$;

-- The rows of the view catalog in a circle. Range by range: as one join, the server would read all rows, since it can't know how
-- few are in the ranges.
CREATE OR REPLACE FUNCTION cone(ra double precision, "dec" double precision, radius double precision)
RETURNS SETOF catalog LANGUAGE plpgsql STABLE STRICT ROWS 1000 AS $$
DECLARE
    cells record;
BEGIN
    FOR cells IN SELECT * FROM cells_of_cone(ra, "dec", radius) LOOP
        RETURN QUERY
            SELECT catalog.* FROM catalog
            WHERE catalog.healpix BETWEEN cells.first AND cells.last
                AND separation(catalog.ra, catalog."dec", cone.ra, cone."dec") <= cone.radius;
    END LOOP;
END
$$;
