/** Ids named for one remark; the rest is a number. */
const MAX_IDS_NAMED = 5;

/** What could not be carried over as it was, told once for each reason. */
export interface Remarks {
  add(what: string, id?: number): void;
  lines(): string[];
}

export function createRemarks(): Remarks {
  const idsByRemark = new Map<string, Set<number>>();
  return {
    add(what, id) {
      const ids = idsByRemark.get(what) ?? new Set();
      if (id !== undefined) ids.add(id);
      idsByRemark.set(what, ids);
    },
    lines: () =>
      [...idsByRemark].map(([what, ids]) => {
        const named = [...ids].slice(0, MAX_IDS_NAMED).join(', ');
        const more = ids.size > MAX_IDS_NAMED ? ` and ${ids.size - MAX_IDS_NAMED} more` : '';
        return ids.size > 0 ? `${what}: ${named}${more}` : what;
      }),
  };
}
