import { pino } from 'pino';

export type { Logger } from 'pino';

/**
 * JSON lines on stderr. Log ids, codes, counts and durations only: a name, a phone number, a note or a request
 * body has no business here, and a test searches the output of whole runs for them.
 */
export function createLogger(level: string) {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
