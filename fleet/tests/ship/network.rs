//! A network that loses what a machine ships, in one way.

use crate::common::machine::Machine;
use crate::common::network::{Branch, Peer, Way};
use crate::common::postgres::Server;
use crate::common::{program, wait_for};
use crate::{assert_same, finish};

/// What comes to the catalog while the server can't be reached is there when it can be.
fn cut(way: Way) {
    let Some(branch) = Branch::new() else { return };
    let address = branch.server(Peer::Postgres);
    let Some(server) = Server::start_at(&address) else {
        return;
    };
    let server = server.with_schema();
    let mut machine = Machine::new(5000);
    let mut ship = program("ship");
    ship.arg("--catalog").arg(machine.catalog());
    ship.args([
        "--site",
        "north",
        "--to",
        &server.address_at(&address, "owner"),
    ]);
    let ship = ship.spawn_under(&branch.wrapper());
    server.wait_for_rows("cutout", 5000);
    let sent_again = branch.sent_again();
    branch.cut(Peer::Postgres, way);
    machine.add(5000..9000);
    // Something that it has sent was lost.
    wait_for(|| branch.sent_again() > sent_again);
    branch.mend(Peer::Postgres, way);
    server.wait_for_rows("cutout", 9000);
    assert_same(&machine, &server, "north");
    finish(ship);
}

#[test]
fn a_ship_that_the_server_does_not_hear_goes_on() {
    cut(Way::There);
}

#[test]
fn a_ship_that_does_not_hear_the_server_goes_on() {
    cut(Way::Back);
}
