/** How a command can end, and how its history grows. */
import { sql } from 'kysely';
import { toIso } from '../clock.ts';
import type { AppointmentRecord, PatientAlertRecord, ReasonCode } from '../domain/records.ts';
import type { CommandState } from '../store/schema.ts';

export type TerminalState = 'complete' | 'failed' | 'timed_out' | 'incomplete';

export interface Outcome {
  state: TerminalState;
  reason?: ReasonCode;
  /** For the developer who reads the event; no patient data. */
  message?: string;
  retryable?: boolean;
  hrsSaid?: string | null;
  /** What the HRS holds now, as it was read back. */
  record?: AppointmentRecord | PatientAlertRecord | null;
}

const MAX_HISTORY = 200;

/** Appends to a command's history; what is beyond its bound is no longer told. */
export const withHistory = (state: CommandState, nowMs: number) => sql<string>`
  case when jsonb_array_length(history) < ${MAX_HISTORY}
    then history || jsonb_build_array(jsonb_build_object('state', ${state}::text, 'at', ${toIso(nowMs)}::text))
    else history end`;
