/** Reading patients with the names that their view needs. */
import { type RawBuilder, sql } from 'kysely';
import type { Tx } from './database.ts';

/** Rows of `patient` joined with their connection; the caller adds its conditions. */
export function selectPatients(tx: Tx) {
  return tx
    .selectFrom('patient')
    .leftJoin('connection', 'connection.id', 'patient.connection_id')
    .selectAll('patient')
    .select('connection.kind as connection_kind');
}

/** Everything that numbers are written with besides digits. Cheaper by far than a regular expression. */
const MARKS_OF_NUMBERS = ' ()+-./\u2010\u2011\u2012\u2013\u2014\u2015\u00a0';

/** The last ten digits of a column of telephone numbers, which an HRS may write in any way: no country code of ours. */
export function lastTenDigits(column: string): RawBuilder<string> {
  return sql<string>`right(translate(${sql.ref(column)}, ${MARKS_OF_NUMBERS}, ''), 10)`;
}
