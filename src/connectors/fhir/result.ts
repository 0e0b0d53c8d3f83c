/** How a write ends, in the contract's words. */
import type { WriteResult } from '../connector.ts';
import type { Edited } from './change.ts';
import { text } from './fields.ts';

/** The HRS has it, under this id, and it was seen there. */
export function done(foreignId: string): WriteResult {
  return { outcome: 'done', foreignId };
}

/** Refused for good, and nothing of it stands in the HRS; `hrsSaid` is shortened to the contract's bound. */
export function refused(
  reason: Extract<WriteResult, { outcome: 'refused' }>['reason'],
  message: string,
  hrsSaid: string | null = null,
): WriteResult {
  return { outcome: 'refused', reason, message, retryable: false, hrsSaid: text(hrsSaid)?.slice(0, 500) ?? null };
}

/** Somebody else has the time, before this write or at the same moment. */
export function slotTaken(): WriteResult {
  return refused('slot_taken', 'the HRS already has something at that time');
}

/** `whyRefused` is for an edit that the record's state forbids. */
export function resultOf(edited: Edited, foreignId: string, whyRefused: string): WriteResult {
  switch (edited.kind) {
    case 'done':
      return done(foreignId);
    case 'missing':
      return refused('not_found_in_hrs', 'the HRS no longer has it');
    case 'refused':
      return refused('refused_by_hrs', `the HRS cannot take this: ${edited.because ?? whyRefused}`);
    case 'rejected':
      return refused('refused_by_hrs', 'the HRS refused the change', edited.said);
  }
}
