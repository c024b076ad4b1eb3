//! Spin's SQLite and variables, in the versions that the edge imports. As in Spin, statements run one by one on rusqlite, each connection
//! of a component is one of the database's, and values are those of SQLite.

use rusqlite::types::{Value as SqlValue, ValueRef};
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::state::State;

mod bindings {
    wasmtime::component::bindgen!({
        inline: "
            package fermyon:spin@2.0.0;

            interface sqlite {
                resource connection {
                    open: static func(database: string) -> result<connection, error>;
                    execute: func(statement: string, parameters: list<value>) -> result<query-result, error>;
                }
                variant error {
                    no-such-database,
                    access-denied,
                    invalid-connection,
                    database-full,
                    io(string)
                }
                record query-result { columns: list<string>, rows: list<row-result> }
                record row-result { values: list<value> }
                variant value { integer(s64), real(f64), text(string), blob(list<u8>), null }
            }

            interface variables {
                get: func(name: string) -> result<string, error>;
                variant error { invalid-name(string), undefined(string), provider(string), other(string) }
            }

            world platform {
                import sqlite;
                import variables;
            }
        ",
        with: { "fermyon:spin/sqlite.connection": rusqlite::Connection },
    });
}
use bindings::fermyon::spin::sqlite::{Error, Host, HostConnection, QueryResult, RowResult, Value};
use bindings::fermyon::spin::variables;

/// Gives a component both interfaces.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    bindings::Platform::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl variables::Host for State {
    fn get(&mut self, name: String) -> Result<String, variables::Error> {
        self.app
            .variables
            .get(&name)
            .cloned()
            .ok_or_else(|| variables::Error::Undefined(format!("no variable for {name}")))
    }
}

impl Host for State {}

impl HostConnection for State {
    fn open(&mut self, database: String) -> Result<Resource<rusqlite::Connection>, Error> {
        if database != "default" {
            return Err(Error::NoSuchDatabase);
        }
        let connection = match &self.app.database {
            Some(file) => rusqlite::Connection::open(file),
            None => rusqlite::Connection::open_in_memory(),
        };
        let connection = connection.map_err(io)?;
        self.table.push(connection).map_err(io)
    }

    fn execute(
        &mut self,
        connection: Resource<rusqlite::Connection>,
        statement: String,
        parameters: Vec<Value>,
    ) -> Result<QueryResult, Error> {
        let connection = self.table.get(&connection).map_err(|_| Error::InvalidConnection)?;
        // A database that another process has locked is waited for.
        tokio::task::block_in_place(|| query(connection, &statement, parameters)).map_err(io)
    }

    fn drop(&mut self, connection: Resource<rusqlite::Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

fn query(
    connection: &rusqlite::Connection,
    statement: &str,
    parameters: Vec<Value>,
) -> Result<QueryResult, rusqlite::Error> {
    let mut statement = connection.prepare(statement)?;
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let values = parameters.into_iter().map(|value| match value {
        Value::Integer(value) => SqlValue::Integer(value),
        Value::Real(value) => SqlValue::Real(value),
        Value::Text(value) => SqlValue::Text(value),
        Value::Blob(value) => SqlValue::Blob(value),
        Value::Null => SqlValue::Null,
    });
    let mut found = statement.query(rusqlite::params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values = (0..columns.len()).map(|index| row.get_ref(index).map(value)).collect::<Result<_, _>>()?;
        rows.push(RowResult { values });
    }
    Ok(QueryResult { columns, rows })
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(value) => Value::Text(String::from_utf8_lossy(value).into_owned()),
        ValueRef::Blob(value) => Value::Blob(value.to_owned()),
    }
}

fn io(error: impl std::fmt::Display) -> Error {
    Error::Io(error.to_string())
}
