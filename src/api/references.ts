/** Rows that a request names by id. One of another institution is answered exactly as if it were absent. */
import { type Kysely, type Selectable, sql } from 'kysely';
import { notFound } from '../errors.ts';
import type { Tx } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';

type Table =
  | 'location'
  | 'provider'
  | 'operatory'
  | 'appointment_type'
  | 'availability'
  | 'descriptor'
  | 'patient'
  | 'insurance_plan'
  | 'appointment';

/** The row with that id within the institution. Throws `not_found`. */
export async function getOwned<T extends Table>(
  tx: Tx,
  table: T,
  institutionId: number,
  id: number,
): Promise<Selectable<Schema[T]>> {
  const [row] = await findOwned(tx, table, institutionId, [id]);
  if (row === undefined) throw notFound();
  return row;
}

/** The rows with these ids, once each. Throws `not_found` when the institution lacks one of them. */
export async function getAllOwned<T extends Table>(
  tx: Tx,
  table: T,
  institutionId: number,
  ids: number[],
): Promise<Selectable<Schema[T]>[]> {
  const rows = await findOwned(tx, table, institutionId, ids);
  if (rows.length !== new Set(ids).size) throw notFound();
  return rows;
}

async function findOwned<T extends Table>(
  tx: Tx,
  table: T,
  institutionId: number,
  ids: number[],
): Promise<Selectable<Schema[T]>[]> {
  if (ids.length === 0) return [];
  // biome-ignore lint/suspicious/noExplicitAny: Kysely cannot type a table that is only known by a type parameter.
  const rows = await (tx as Kysely<any>)
    .selectFrom(table)
    .selectAll()
    .where('institution_id', '=', institutionId)
    .where('id', '=', anyOf(ids))
    .execute();
  return rows as Selectable<Schema[T]>[];
}

/** `column = any($1)`: one parameter for any number of ids, none included. */
export const anyOf = (ids: readonly number[]) => sql<number>`any(${ids}::bigint[])`;
