/** The same groups, as `Map.groupBy` makes them, with each row as its view. */
export function viewGroups<Key, Row, View>(groups: Map<Key, Row[]>, view: (row: Row) => View): Map<Key, View[]> {
  return new Map([...groups].map(([key, rows]) => [key, rows.map((row) => view(row))]));
}
