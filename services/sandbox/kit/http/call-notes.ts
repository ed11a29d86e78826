import type { FastifyRequest } from "fastify";
import type { Fault } from "../domain/fault.ts";

/** What is known about a call while it is answered: for the record, and for faults that strike at its end. */
export interface CallNotes {
  fault?: Fault;
  /** The provider's name of what the call is about. */
  subject?: string;
  /** The provider's code of a refusal. */
  error?: string;
}

const notes = new WeakMap<FastifyRequest, CallNotes>();

/** The notes of a call, empty at first; gone with the call. */
export function notesOf(request: FastifyRequest): CallNotes {
  const known = notes.get(request);
  if (known !== undefined) return known;
  const fresh: CallNotes = {};
  notes.set(request, fresh);
  return fresh;
}
