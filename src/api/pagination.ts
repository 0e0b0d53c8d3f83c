/**
 * Both of NexHealth's ways to read a list: `page`/`per_page` with a total, and cursors. A cursor names the row it
 * points at by its sort values, so pages stay right while rows come and go, and every page costs the same.
 */
import { type Expression, type SelectQueryBuilder, type SqlBool, sql } from 'kysely';
import { z } from 'zod';
import { toIso } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Schema } from '../store/schema.ts';
import { integer, optional, text } from './parameters.ts';
import type { PageInfo } from './route.ts';

const DEFAULT_PER_PAGE = 5;
const MAX_PER_PAGE = 1_000;
/** Offsets are walked row by row: past this a client wants a cursor. */
const MAX_PAGE = 100_000;

export const pageParams = {
  page: optional(integer(1, MAX_PAGE)),
  per_page: optional(integer(1, MAX_PER_PAGE)),
  start_cursor: optional(text(500)),
  end_cursor: optional(text(500)),
};

export interface PageRequest {
  page?: number | undefined;
  per_page?: number | undefined;
  start_cursor?: string | undefined;
  end_cursor?: string | undefined;
}

/** One column of the order. The last one must be unique among the rows (an id). */
export interface OrderColumn<Row> {
  /** Qualified, as in the query: `appointment.start_at`. Never from outside. */
  column: string;
  type: 'bigint' | 'timestamptz';
  descending?: boolean;
  value: (row: Row) => string | number;
}

// biome-ignore lint/suspicious/noExplicitAny: any tables may be joined; only rows and conditions matter here.
type Query<Row> = SelectQueryBuilder<Schema, any, Row>;

export interface Page<Row> {
  rows: Row[];
  /** Total matches of the whole list. */
  count: number;
  pageInfo: PageInfo;
}

/**
 * Reads one page of `query`, which has its conditions but no order. A cursor says itself which way it leads: one
 * that was given as `end_cursor` goes on after it, one given as `start_cursor` goes back before it, whichever of
 * the two parameters it is sent in. Throws `invalid_parameter` for a cursor that is not one of this list's.
 */
export async function fetchPage<Row>(
  query: Query<Row>,
  request: PageRequest,
  order: OrderColumn<Row>[],
): Promise<Page<Row>> {
  const perPage = request.per_page ?? DEFAULT_PER_PAGE;
  const cursorText = request.end_cursor ?? request.start_cursor;
  const cursor = cursorText === undefined ? null : decodeCursor(cursorText, order);
  const backwards = cursor?.side === 'start';
  const offset = cursor ? 0 : ((request.page ?? 1) - 1) * perPage;

  let page = query.limit(perPage + 1).offset(offset);
  if (cursor) page = page.where(beyond(order, cursor.values, backwards)) as typeof page;
  for (const { column, descending } of order) {
    const direction = (descending ?? false) !== backwards ? 'desc' : 'asc';
    page = page.orderBy(sql.ref(column), direction) as typeof page;
  }
  const rows = (await page.execute()) as Row[];
  const more = rows.length > perPage;
  if (more) rows.pop();
  if (backwards) rows.reverse();

  const isWhole = !cursor && offset === 0 && !more;
  const count = isWhole ? rows.length : await countAll(query);
  const first = rows[0];
  const last = rows[rows.length - 1];
  return {
    rows,
    count,
    pageInfo: {
      has_previous_page: backwards ? more : cursor !== null || offset > 0,
      has_next_page: backwards ? true : more,
      start_cursor: first === undefined ? null : encodeCursor('start', order, first),
      end_cursor: last === undefined ? null : encodeCursor('end', order, last),
    },
  };
}

async function countAll<Row>(query: Query<Row>): Promise<number> {
  const counted = query.clearSelect().select(sql<number>`count(*)`.as('total'));
  return Number(((await counted.executeTakeFirstOrThrow()) as { total: number }).total);
}

/** Row-wise "after (a, b)": `(a > x) or (a = x and b > y)`, with each column's own direction. */
function beyond<Row>(order: OrderColumn<Row>[], values: (string | number)[], backwards: boolean): Expression<SqlBool> {
  const alternatives = order.map(({ column, type, descending }, at) => {
    const equals = order
      .slice(0, at)
      .map((earlier, index) => sql`${sql.ref(earlier.column)} = ${cast(values[index], earlier.type)}`);
    const sign = sql.raw((descending ?? false) !== backwards ? '<' : '>');
    return sql`(${sql.join([...equals, sql`${sql.ref(column)} ${sign} ${cast(values[at], type)}`], sql` and `)})`;
  });
  return sql<SqlBool>`(${sql.join(alternatives, sql` or `)})`;
}

const cast = (value: string | number | undefined, type: OrderColumn<never>['type']) =>
  sql`cast(${value} as ${sql.raw(type)})`;

const CURSOR = z.tuple([z.enum(['start', 'end']), z.string(), z.array(z.union([z.string().max(100), z.int()])).max(4)]);

/** Columns and directions: a cursor of another list or another sort does not fit this one. */
const shapeOf = <Row>(order: OrderColumn<Row>[]) =>
  order.map(({ column, descending }) => `${descending ? '-' : ''}${column}`).join();

function encodeCursor<Row>(side: 'start' | 'end', order: OrderColumn<Row>[], row: Row): string {
  const values = order.map(({ value }) => value(row));
  return Buffer.from(JSON.stringify([side, shapeOf(order), values])).toString('base64url');
}

/** An instant as our own cursors write it. PostgreSQL has no year 0, and no 30 February. */
function isInstant(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-/.test(value) || value.startsWith('0000')) return false;
  const instantMs = Date.parse(value);
  return !Number.isNaN(instantMs) && toIso(instantMs) === value;
}

function decodeCursor<Row>(cursor: string, order: OrderColumn<Row>[]) {
  try {
    const [side, shape, values] = CURSOR.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    const fits = order.every(({ type }, at) => {
      const value = values[at];
      return type === 'bigint' ? Number.isSafeInteger(value) : isInstant(value);
    });
    if (shape === shapeOf(order) && values.length === order.length && fits) return { side, values };
  } catch {
    // What cannot be read is not a cursor of ours.
  }
  throw new ApiError('invalid_parameter', 'Invalid parameter end_cursor: must be a cursor of this list, unchanged');
}
