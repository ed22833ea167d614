// What a detector makes of records. Detectors come with detect/; the shape is fixed here.

export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical';

export interface Detection {
  readonly id: string;
  readonly type: string;
  readonly severity: Severity;
  readonly flowId: string | null;
  readonly time: string;
  readonly detail: string;
}
