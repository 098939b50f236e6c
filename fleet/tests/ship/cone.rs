//! Rows near a position, found by the index.

use galmorph_catalog::healpix_cell;
use postgres::types::ToSql;

use crate::common::postgres::Server;
use crate::{ship, start};

/// Numbers between 0 and 1 that look random, the same each time.
fn numbers() -> impl Iterator<Item = f64> {
    let mut state = 1_u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    })
}

/// Positions all over the sky, and many close to the poles, to 0 h, and to a place where the cells reach furthest.
fn sky(count: usize, mut next: impl FnMut() -> f64) -> (Vec<f64>, Vec<f64>) {
    let mut position = |number| {
        let (ra, dec) = (next() * 360.0, (next() * 2.0 - 1.0).asin().to_degrees());
        let near = next().powi(3);
        match number % 8 {
            0 => (ra, 90.0 - near),
            1 => (ra, near - 90.0),
            2 => ((near - 0.5).rem_euclid(360.0), next() * 3.0 - 1.5),
            3 => (45.0 + near, 41.81 + next().powi(3)),
            _ => (ra, dec),
        }
    };
    (0..count).map(&mut position).unzip()
}

#[test]
fn a_cone_has_the_rows_that_a_look_at_all_of_them_finds() {
    let Some(server) = Server::start() else {
        return;
    };
    let server = server.with_schema();
    let mut client = server.client();
    let mut random = numbers();
    let mut next = || random.next().unwrap();
    let (ras, decs) = sky(20_000, &mut next);
    let cells = ras.iter().zip(&decs);
    let cells: Vec<i64> = cells.map(|(ra, dec)| healpix_cell(*ra, *dec)).collect();
    client
        .batch_execute("SELECT make_month(now()::date)")
        .unwrap();
    client
        .execute(
            "INSERT INTO cutout (site, path_key, path, source, object_id, attempts, first_seen, updated, label, ra, dec, healpix)
             SELECT 'sky', sha256(number::text::bytea), number::text, 1, number::text, 1, now(), now(), 'spiral', ra, dec, healpix
             FROM unnest($1::float8[], $2::float8[], $3::bigint[]) WITH ORDINALITY AS place (ra, dec, healpix, number)",
            &[&ras, &decs, &cells],
        )
        .unwrap();
    client.batch_execute("ANALYZE cutout").unwrap();
    let by_index = "SELECT count(*), count(DISTINCT path) FROM cone($1, $2, $3)";
    let by_all = "SELECT count(*), count(DISTINCT path) FROM catalog WHERE separation(ra, dec, $1, $2) <= $3";
    let mut found = 0;
    for at in 0..150 {
        // From a fraction of an arcsecond to a third of the sky; at a row, and beside it.
        let radius = 120.0 * 10_f64.powf(-6.5 * next());
        let beside = radius * (next() - 0.5) * f64::from(at % 2);
        let place = at as usize * 131;
        let ra = ras[place] + beside;
        let dec = (decs[place] + beside).clamp(-90.0, 90.0);
        let cone: [&(dyn ToSql + Sync); 3] = [&ra, &dec, &radius];
        let [near, expected] = [by_index, by_all].map(|ask| {
            let row = client.query_one(ask, &cone).unwrap();
            (row.get::<_, i64>(0), row.get::<_, i64>(1))
        });
        assert_eq!(near, expected, "{radius} degrees around {ra}, {dec}");
        found += near.0;
    }
    assert!(found > 10_000, "{found}");
}

#[test]
fn a_cone_is_looked_for_by_the_index() {
    let Some((server, machine)) = start(3000) else {
        return;
    };
    ship(&server, &machine.catalog(), "north")
        .arg("--once")
        .succeeds();
    let mut client = server.client();
    client.batch_execute("ANALYZE cutout").unwrap();
    let expected = (0..3000_u32).filter(|n| n % 360 == 77 && n % 90 == 77 && n % 97 != 13);
    let near = client.query("SELECT path FROM cone(77, 77, 0.1)", &[]);
    assert_eq!(near.unwrap().len(), expected.count());
    let told = "SELECT pg_stat_force_next_flush()";
    client.batch_execute(told).unwrap();
    let ranges = "SELECT count(*) FROM cells_of_cone(77, 77, 0.1)";
    let looks = "SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE 'cutout_%_healpix_idx'";
    let [ranges, looks] = [ranges, looks].map(|ask| {
        let row = client.query_one(ask, &[]).unwrap();
        row.get::<_, i64>(0)
    });
    assert!(ranges < 100, "{ranges}");
    assert_eq!(looks, ranges);
}
