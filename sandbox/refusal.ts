/** A request the practice will not carry out: an HTTP status, a stable code for machines and a sentence for people. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: Record<string, unknown>;

  constructor(status: number, code: string, message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

export function unknown(kind: string, id: unknown): Refusal {
  return new Refusal(404, `unknown_${kind}`, `There is no ${kind} ${id}.`);
}
