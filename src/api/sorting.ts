/** NexHealth's `sort`: field names with commas between, a leading dash for descending. */
import type { OrderColumn } from './pagination.ts';
import { optional, text } from './parameters.ts';

const fieldsOf = (sort: string) => sort.split(',').map((field) => field.trim());

/** The parameter, for lists that can be sorted by these fields. */
export const sortParam = (names: readonly string[]) =>
  optional(
    text(100).refine(
      (value) => fieldsOf(value).every((field) => names.includes(field.replace(/^-/, ''))),
      `must be of ${names.join(', ')}, each with or without a leading dash`,
    ),
  ).describe(`Of ${names.join(', ')}, with commas between; a leading dash for descending.`);

/** The order for a checked `sort`. `last` must be unique among the rows; it ends every order, and is the default. */
export function orderBy<Row>(
  sort: string | undefined,
  columns: Record<string, OrderColumn<Row>>,
  last: OrderColumn<Row>,
): OrderColumn<Row>[] {
  const order: OrderColumn<Row>[] = [];
  for (const field of sort === undefined ? [] : fieldsOf(sort)) {
    const column = columns[field.replace(/^-/, '')];
    if (!column || order.some((earlier) => earlier.column === column.column)) continue;
    order.push({ ...column, descending: field.startsWith('-') });
  }
  return order.some(({ column }) => column === last.column) ? order : [...order, last];
}
