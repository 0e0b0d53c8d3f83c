/** The one source of "now" for code that acts; pure code takes it as an argument instead. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

/** An instant as everything here writes it: UTC, milliseconds, `Z`. */
export function toIso(ms: number): string {
  return new Date(ms).toISOString();
}
