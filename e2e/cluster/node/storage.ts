import { join } from "node:path";

const VOLUMES = 8;
const CLASS = "standard";

/** A default storage class with some volumes on this machine's disk, which claims are bound to when a pod uses them. */
export const storageObjects = (folder: string): object[] => [
  {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: CLASS, annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    provisioner: "kubernetes.io/no-provisioner",
    volumeBindingMode: "WaitForFirstConsumer",
  },
  ...Array.from({ length: VOLUMES }, (_, number) => ({
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: `disk-${number}` },
    spec: {
      storageClassName: CLASS,
      capacity: { storage: "10Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Retain",
      hostPath: { path: join(folder, "volumes", String(number)), type: "DirectoryOrCreate" },
    },
  })),
];
