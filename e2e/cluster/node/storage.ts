import { mkdirSync } from "node:fs";
import { join } from "node:path";

const VOLUMES = 8;
const CLASS = "standard";

/** A default storage class with some volumes on this machine's disk, which claims are bound to when a pod uses them. */
export function storageObjects(folder: string): object[] {
  const volumes = Array.from({ length: VOLUMES }, (_, number) => join(folder, "volumes", String(number)));
  for (const path of volumes) mkdirSync(path, { recursive: true });
  return [storageClass, ...volumes.map(volume)];
}

const storageClass = {
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: CLASS, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  provisioner: "kubernetes.io/no-provisioner",
  volumeBindingMode: "WaitForFirstConsumer",
};

/** `local`, not `hostPath`, which the kubelet gives no pod's `fsGroup` to. */
const volume = (path: string, number: number) => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: `disk-${number}` },
  spec: {
    storageClassName: CLASS,
    capacity: { storage: "10Gi" },
    accessModes: ["ReadWriteOnce"],
    persistentVolumeReclaimPolicy: "Retain",
    local: { path },
    nodeAffinity: {
      required: { nodeSelectorTerms: [{ matchExpressions: [{ key: "kubernetes.io/hostname", operator: "Exists" }] }] },
    },
  },
});
