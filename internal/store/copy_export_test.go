package store

import (
	"context"
	"errors"
)

// CopyBatchBytesMax is what the suite must exceed to copy a table in more than one batch.
const CopyBatchBytesMax = copyBatchBytesMax

// DescribedColumns lists what copies know of the tables, a line for each column: its table, name and type on PostgreSQL, or its
// storage class on SQLite.
func DescribedColumns(postgres bool) (lines []string) {
	types := map[columnKind][2]string{
		smallColumn: {"INTEGER", "smallint"}, integerColumn: {"INTEGER", "integer"}, bigColumn: {"INTEGER", "bigint"},
		textColumn: {"TEXT", "text"}, bytesColumn: {"BLOB", "bytea"}, uuidColumn: {"BLOB", "uuid"},
	}
	for _, t := range copyTables() {
		for i, column := range t.columns {
			lines = append(lines, t.name+"."+column+" "+types[t.kinds[i]][flag(postgres)])
		}
	}
	return lines
}

// Tamper executes statements on a database beside whoever uses it, each a transaction of its own.
func Tamper(ctx context.Context, database string, texts ...string) (err error) {
	var s *copySide
	if IsPostgres(database) {
		s, err = openPostgresSide(ctx, database)
	} else {
		s, err = openSQLiteSide(ctx, sqlitePath(database))
	}
	if err != nil {
		return err
	}
	for _, text := range texts {
		err = errors.Join(err, s.run(ctx, statement(text)))
	}
	return errors.Join(err, s.close())
}
