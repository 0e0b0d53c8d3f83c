/** What a benchmark has found out: one measured number with its rounds, what it should be, and what it is compared with. */

export type Target =
  | { atMost: number }
  | { atLeast: number }
  /** At least this share of what the rival does in the same run. */
  | { shareOfRival: number };

export interface Figure {
  name: string;
  /** `ms`, `/s`, `MB`; empty for a count. */
  unit: string;
  /** One value for each round; the figure is their median. */
  rounds: number[];
  /** None where the number is only worth knowing. */
  target?: Target;
  /** Measured in the same run, round by round in turn with ours, because machines differ more than programs do. */
  rival?: { name: string; rounds: number[] };
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The smallest value that at least this share of the values does not exceed; throws for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (found === undefined) throw new Error('a percentile of nothing');
  return found;
}

/** Ours as a part of the rival's: 0.5 is half as fast for a rate and twice as fast for a time. */
function ratioOf({ rounds, rival }: Figure): number | null {
  return rival ? median(rounds) / median(rival.rounds) : null;
}

/** Null when there is nothing to meet. */
export function isMet(figure: Figure): boolean | null {
  const { target } = figure;
  if (!target) return null;
  const value = median(figure.rounds);
  if ('atMost' in target) return value <= target.atMost;
  if ('atLeast' in target) return value >= target.atLeast;
  return (ratioOf(figure) as number) >= target.shareOfRival;
}

/** Three digits that mean something, and no more. */
function short(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(value < 1 ? 2 : 3);
}

function describeTarget({ target, unit }: Figure): string {
  if (!target) return '';
  if ('shareOfRival' in target) return `≥ ${target.shareOfRival} × rival`;
  return 'atMost' in target ? `≤ ${short(target.atMost)} ${unit}` : `≥ ${short(target.atLeast)} ${unit}`;
}

/** The figures as a table of text, a line each. */
export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, unit, rounds, rival } = figure;
    const ratio = ratioOf(figure);
    const met = isMet(figure);
    return [
      name,
      `${short(median(rounds))} ${unit}`,
      rounds.length > 1 ? `${short(Math.min(...rounds))} – ${short(Math.max(...rounds))}` : '',
      describeTarget(figure),
      rival ? `${short(median(rival.rounds))} ${unit}, ${rival.name}` : '',
      ratio === null ? '' : short(ratio),
      met === null ? '' : met ? 'yes' : 'MISSED',
    ].map((cell) => cell.trim());
  });
  const lines = [['name', 'median', 'rounds', 'target', 'rival', 'ratio', 'met'], ...rows];
  const widths = (lines[0] as string[]).map((_, at) => Math.max(...lines.map((line) => (line[at] as string).length)));
  return lines
    .map((line) =>
      line
        .map((cell, at) => cell.padEnd(widths[at] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
