import * as z from "zod";
import { INJECTED_ANNOTATION } from "./names.ts";
import type { Pod } from "./pod.ts";

const recordSchema = z.object({
  v: z.literal(1),
  /** What the kubelet would have done, by `<container>/<kind>`: a probe's or a hook's httpGet, tcpSocket or grpc. */
  handlers: z.record(z.string(), z.record(z.string(), z.unknown())),
  /** Containers that wait a little before they stop, and did not before. */
  sleeps: z.array(z.string()),
  /** The grace period before, in seconds; null: none was given. */
  grace: z.int().nullable(),
});

/** How a pod was before it was injected. */
export type InjectionRecord = z.output<typeof recordSchema>;

/** The record in the pod's annotation; undefined where there is none that can be read. */
export function readRecord({ metadata }: Pod): InjectionRecord | undefined {
  try {
    return recordSchema.safeParse(JSON.parse(metadata.annotations?.[INJECTED_ANNOTATION] ?? "")).data;
  } catch {
    return undefined;
  }
}

export function writeRecord(record: InjectionRecord): string {
  return JSON.stringify(record);
}
