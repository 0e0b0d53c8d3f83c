/**
 * What a caller of the API can be refused for. The text of an answer may grow more exact; the code never changes
 * its meaning, and travels in the header `Openchair-Error-Code` because the envelope has no room for it.
 * `docs/errors.md` is generated from this table.
 */
export const ERRORS = {
  missing_parameter: { status: 400, next: 'Send every parameter the answer names.' },
  invalid_parameter: { status: 400, next: 'Correct the parameter the answer names.' },
  malformed_body: { status: 400, next: 'Send well-formed JSON or a form body.' },
  too_deep: { status: 400, next: 'Nest at most 32 levels.' },
  not_authenticated: { status: 401, next: 'Send the API key, or a token from POST /authenticates, in Authorization.' },
  not_allowed: { status: 403, next: 'Use a key that has this right; `openchair key` makes one.' },
  not_found: { status: 404, next: 'Check the path, the id and the subdomain.' },
  in_progress: {
    status: 409,
    next: 'The first request with this Idempotency-Key is still running: ask again shortly.',
  },
  body_too_large: { status: 413, next: 'Send at most 1 MB.' },
  unsupported_media_type: { status: 415, next: 'Send application/json or application/x-www-form-urlencoded.' },
  idempotency_mismatch: { status: 422, next: 'Use a new Idempotency-Key for a different request.' },
  rate_limited: { status: 429, next: 'Wait as many seconds as Retry-After says, then send it again.' },
  slot_taken: { status: 400, next: 'Ask for the slots again and choose another.' },
  outside_hours: {
    status: 400,
    next: 'Choose a start that GET /appointment_slots offers; check the time zone you send.',
  },
  type_not_configured: { status: 400, next: 'Attach the type to the provider’s availability, or book without it.' },
  in_the_past: { status: 400, next: 'Book a start in the future.' },
  operatory_required: { status: 400, next: 'Send operatory_id: this location books by operatory.' },
  inactive: { status: 400, next: 'Choose a provider, operatory or patient that is active.' },
  patient_exists: { status: 400, next: 'Use the patient whose id the answer names.' },
  not_synced: {
    status: 400,
    next: 'Wait until the health record system has it (for a booking: appointment_insertion.complete), then send it again.',
  },
  not_supported_by_hrs: {
    status: 400,
    next: 'This health record system cannot take that write; see GET /sync_status.',
  },
  connection_unusable: {
    status: 400,
    next: 'An administrator asks POST /admin/connections/:id/check what is wrong, and corrects it with PATCH.',
  },
  already_exists: { status: 400, next: 'Choose another name, or use what exists.' },
  not_editable: { status: 400, next: 'Change it in the health record system; it is read from there.' },
  internal: { status: 500, next: 'Our fault. Look for the request id in the log.' },
  unavailable: { status: 503, next: 'Try again in a moment.' },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal that is written for whoever called. `messages` become `error[]` of the envelope. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly code: ErrorCode;
  readonly messages: string[];
  constructor(code: ErrorCode, messages: string | string[]) {
    const list = typeof messages === 'string' ? [messages] : messages;
    super(list.join('; '));
    this.code = code;
    this.messages = list;
  }
  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** NexHealth's own text for whatever is absent, or is none of the caller's business. */
export function notFound(): ApiError {
  return new ApiError('not_found', 'Resource not found');
}
