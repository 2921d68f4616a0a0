import { type OperatorRig, type OperatorRigOptions, startOperatorRig } from "../operator-rig.ts";

/** Several at once; when one does not start, none is left. */
export async function startOperatorRigs(count: number, options: OperatorRigOptions = {}): Promise<OperatorRig[]> {
  const starts = await Promise.allSettled(Array.from({ length: count }, () => startOperatorRig(options)));
  const rigs = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const failed = starts.find((start) => start.status === "rejected");
  if (failed === undefined) return rigs;
  await Promise.all(rigs.map((rig) => rig.stop()));
  throw failed.reason;
}
