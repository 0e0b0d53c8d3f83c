/**
 * Both of NexHealth's ways to read a list: `page`/`per_page` with a total, and cursors. A cursor names the row it
 * points at by its sort values, so pages stay right while rows come and go, and every page costs the same.
 * It says whose list it is of, and is refused where that is another's or anybody has changed it.
 */
import { hash } from 'node:crypto';
import { type Expression, type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from 'kysely';
import { z } from 'zod';
import { toIso } from '../clock.ts';
import { ApiError } from '../errors.ts';
import type { Schema } from '../store/schema.ts';
import type { Context } from './context.ts';
import { integer, optional, text } from './parameters.ts';
import type { PageInfo } from './route.ts';

const DEFAULT_PER_PAGE = 5;
const MAX_PER_PAGE = 1_000;
/** Offsets are walked row by row: past this a client wants a cursor. */
const MAX_PAGE = 100_000;

export const pageParams = {
  page: optional(integer(1, MAX_PAGE)).meta({ default: 1 }),
  per_page: optional(integer(1, MAX_PER_PAGE)).meta({ default: DEFAULT_PER_PAGE }),
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
  type: 'bigint' | 'timestamptz' | 'text';
  descending?: boolean;
  value: (row: Row) => string | number;
  /** What must not stand in a cursor, such as a name: ordered by this, while `value` is the id of the row it is of. */
  hidden?: { expression: RawBuilder<unknown>; ofRow: (id: RawBuilder<unknown>) => RawBuilder<unknown> };
}

// biome-ignore lint/suspicious/noExplicitAny: any tables may be joined; only rows and conditions matter here.
type Query<Row> = SelectQueryBuilder<Schema, any, Row>;

export interface Page<Row> {
  rows: Row[];
  /** Total matches of the whole list; null on a page that a cursor led to, which costs no count. */
  count: number | null;
  pageInfo: PageInfo;
}

/**
 * Reads one page of `query`, which has its conditions but no order. A cursor says itself which way it leads: one
 * that was given as `end_cursor` goes on after it, one given as `start_cursor` goes back before it, whichever of
 * the two parameters it is sent in. Throws `invalid_parameter` for a cursor that is not one of this list's.
 */
export async function fetchPage<Row>(
  context: Pick<Context, 'institution' | 'caller'>,
  query: Query<Row>,
  request: PageRequest,
  order: OrderColumn<Row>[],
): Promise<Page<Row>> {
  const perPage = request.per_page ?? DEFAULT_PER_PAGE;
  const cursorText = request.end_cursor ?? request.start_cursor;
  const place: Place<Row> = { owner: ownerOf(context), order };
  const cursor = cursorText === undefined ? null : decodeCursor(cursorText, place);
  const backwards = cursor?.side === 'start';
  const offset = cursor ? 0 : ((request.page ?? 1) - 1) * perPage;

  let page = query.limit(perPage + 1).offset(offset);
  if (cursor) page = page.where(beyond(order, cursor.values, backwards)) as typeof page;
  for (const column of order) {
    const direction = (column.descending ?? false) !== backwards ? 'desc' : 'asc';
    page = page.orderBy(expressionOf(column), direction) as typeof page;
  }
  // The total comes with the page, a round trip less, in a column beside those that were selected: every list shows
  // its rows through a view, which does not know it.
  const total = sql<number>`(${countOf(query)})`.as('total_count');
  const found = (await (cursor ? page : page.select(total)).execute()) as (Row & { total_count?: number })[];
  const more = found.length > perPage;
  if (more) found.pop();
  if (backwards) found.reverse();
  // Beyond the last page there is no row to carry it.
  const count = cursor ? null : (found[0]?.total_count ?? (offset === 0 ? 0 : await countAll(query)));
  const rows: Row[] = found;
  const first = rows[0];
  const last = rows[rows.length - 1];
  return {
    rows,
    count,
    pageInfo: {
      has_previous_page: backwards ? more : cursor !== null || offset > 0,
      has_next_page: backwards ? true : more,
      start_cursor: first === undefined ? null : encodeCursor('start', place, first),
      end_cursor: last === undefined ? null : encodeCursor('end', place, last),
    },
  };
}

const countOf = <Row>(query: Query<Row>) => query.clearSelect().select(sql<number>`count(*)`.as('total'));

async function countAll<Row>(query: Query<Row>): Promise<number> {
  return ((await countOf(query).executeTakeFirstOrThrow()) as { total: number }).total;
}

/**
 * Row-wise "after (a, b)": `(a > x) or (a = x and b > y)`, with each column's own direction. The bound of the first
 * column is said once more, because an index can be entered by it and not by alternatives: without it the last page
 * of a long list costs as much as all those before it.
 */
function beyond<Row>(order: OrderColumn<Row>[], values: (string | number)[], backwards: boolean): Expression<SqlBool> {
  const isDescending = (column: OrderColumn<Row>) => (column.descending ?? false) !== backwards;
  const alternatives = order.map((column, at) => {
    const equals = order
      .slice(0, at)
      .map((earlier, index) => sql`${expressionOf(earlier)} = ${operand(earlier, values[index])}`);
    const sign = sql.raw(isDescending(column) ? '<' : '>');
    const further = sql`${expressionOf(column)} ${sign} ${operand(column, values[at])}`;
    return sql`(${sql.join([...equals, further], sql` and `)})`;
  });
  const first = order[0] as OrderColumn<Row>;
  const bound = sql`${expressionOf(first)} ${sql.raw(isDescending(first) ? '<=' : '>=')} ${operand(first, values[0])}`;
  return sql<SqlBool>`(${bound} and (${sql.join(alternatives, sql` or `)}))`;
}

const expressionOf = <Row>({ column, hidden }: OrderColumn<Row>) => hidden?.expression ?? sql.ref(column);

function operand<Row>({ type, hidden }: OrderColumn<Row>, value: string | number | undefined): RawBuilder<unknown> {
  return hidden ? hidden.ofRow(cast(value, type)) : cast(value, type);
}

const cast = (value: string | number | undefined, type: OrderColumn<never>['type']) =>
  sql`cast(${value} as ${sql.raw(type)})`;

/** What a cursor is good for: one list, in one order. */
interface Place<Row> {
  owner: string;
  order: OrderColumn<Row>[];
}

/** Lists are of an institution, or of all that an API user has. */
const ownerOf = ({ institution, caller }: Pick<Context, 'institution' | 'caller'>) =>
  institution ? `institution ${institution.id}` : `user ${caller.apiUserId}`;

const VALUES = z.array(z.union([z.string().max(100), z.int()])).max(4);
const CURSOR = z.tuple([z.enum(['start', 'end']), z.string(), z.string(), VALUES]);

const checksumOf = (text: string) => hash('sha256', text, 'base64url').slice(0, 8);

/** With a checksum, so that an edited one is told instead of leading astray. No secret: a cursor opens no door. */
export function writeCursor(content: unknown): string {
  const text = Buffer.from(JSON.stringify(content)).toString('base64url');
  return `${text}.${checksumOf(text)}`;
}

/** Columns and directions: a cursor of another list or another sort does not fit this one. */
const shapeOf = <Row>(order: OrderColumn<Row>[]) =>
  order.map(({ column, descending }) => `${descending ? '-' : ''}${column}`).join();

function encodeCursor<Row>(side: 'start' | 'end', { owner, order }: Place<Row>, row: Row): string {
  return writeCursor([side, owner, shapeOf(order), order.map(({ value }) => value(row))]);
}

/** An instant as our own cursors write it. PostgreSQL has no year 0, and no 30 February. */
function isInstant(value: unknown): boolean {
  if (typeof value !== 'string' || !/^\d{4}-/.test(value) || value.startsWith('0000')) return false;
  const instantMs = Date.parse(value);
  return !Number.isNaN(instantMs) && toIso(instantMs) === value;
}

function decodeCursor<Row>(cursor: string, { owner, order }: Place<Row>) {
  try {
    const [text = ''] = cursor.split('.', 1);
    const [side, ofWhom, shape, values] = CURSOR.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    const isOurs = cursor === `${text}.${checksumOf(text)}` && ofWhom === owner && shape === shapeOf(order);
    const fits = order.every(({ type }, at) => {
      const value = values[at];
      if (type === 'text') return typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
      return type === 'bigint' ? Number.isSafeInteger(value) : isInstant(value);
    });
    if (isOurs && values.length === order.length && fits) return { side, values };
  } catch {
    // What cannot be read is not a cursor of ours.
  }
  throw new ApiError('invalid_parameter', 'Invalid parameter end_cursor: must be a cursor of this list, unchanged');
}
