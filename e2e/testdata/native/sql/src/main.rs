// SPDX-License-Identifier: MIT OR Apache-2.0

//! Does what SQL is for with the SQLite that is found on the system: a table, an index, a search in full text.

use rusqlite::Connection;

fn main() -> rusqlite::Result<()> {
    let db = Connection::open("/tmp/boats.db")?;
    db.execute_batch(
        "CREATE TABLE boat (name TEXT PRIMARY KEY, planks INTEGER);
         CREATE VIRTUAL TABLE tale USING fts5(text);
         INSERT INTO boat VALUES ('sampan', 3), ('junk', 90);
         INSERT INTO tale VALUES ('three planks make a boat'), ('nothing of the kind');",
    )?;
    let planks: i64 = db.query_row("SELECT sum(planks) FROM boat", [], |r| r.get(0))?;
    let tale: String =
        db.query_row("SELECT text FROM tale WHERE tale MATCH 'planks'", [], |r| {
            r.get(0)
        })?;
    println!("{} {planks} {tale}", rusqlite::version());
    Ok(())
}
