// Builds and installs the seccomp filter of workers and control: a classic BPF program over the system call's
// number that refuses what system-calls.ts lists. Forbids new namespaces by clone as well.

import { SallyportError } from '../flow/errors.ts';
import { addressOf, checked, processControl, systemCall } from './libc.ts';
import { forbiddenCalls, machineCalls } from './system-calls.ts';

type Machine = keyof typeof machineCalls;
interface Instruction {
  readonly code: number;
  readonly yes: number;
  readonly no: number;
  readonly k: number;
}

// linux/bpf_common.h and linux/seccomp.h.
const [loadWord, jumpEqual, jumpAtLeast, jumpAnyBit, answer] = [0x20, 0x15, 0x35, 0x45, 0x06];
const [allow, refuse, kill] = [0x7fff_0000, 0x0005_0000, 0x8000_0000];
const [eperm, enosys] = [1, 38];
const [atNumber, atArch, atFirstArgument] = [0, 4, 16];
// CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const namespaceFlags = 0x7e02_0080;
const [noNewPrivileges, filterMode, allThreads] = [38, 1, 1];

/** The filter as instructions of struct sock_filter, 8 bytes each; `mayEnterRing` spares io_uring_enter. */
export function seccompProgram(machine: Machine, mayEnterRing: boolean): Buffer {
  const { auditArch, clone, clone3 } = machineCalls[machine];
  const step = (code: number, k: number, yes = 0, no = 0): Instruction => ({ code, yes, no, k });
  const equals = (number: number, otherwise: number): Instruction => step(jumpEqual, number, 0, otherwise);
  const forbidden = forbiddenCalls.filter(({ name }) => !mayEnterRing || name !== 'io_uring_enter');
  const program: Instruction[] = [
    step(loadWord, atArch),
    step(jumpEqual, auditArch, 1, 0),
    step(answer, kill),
    step(loadWord, atNumber),
    // x86-64's x32 numbers would pass by the table below.
    step(jumpAtLeast, 0x4000_0000, 0, 1),
    step(answer, refuse | eperm),
    // Its flags lie in memory, out of a filter's sight; glibc falls back to clone.
    equals(clone3, 1),
    step(answer, refuse | enosys),
    equals(clone, 4),
    step(loadWord, atFirstArgument),
    step(jumpAnyBit, namespaceFlags, 0, 1),
    step(answer, refuse | eperm),
    step(answer, allow),
    ...forbidden.flatMap((call) => [equals(call[machine], 1), step(answer, refuse | eperm)]),
    step(answer, allow),
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, yes, no, k }, index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(yes, index * 8 + 2);
    bytes.writeUInt8(no, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  });
  return bytes;
}

/** Sets no_new_privs and the filter on every thread of this process, for good. @throws SallyportError */
export function installSeccomp(mayEnterRing: boolean): void {
  const machine = process.arch;
  if (machine !== 'x64' && machine !== 'arm64') {
    throw new SallyportError('not-supported', `no system call filter for ${machine}; use x64 or arm64`);
  }
  checked(processControl(noNewPrivileges, 1), 'prctl no_new_privs');
  const program = seccompProgram(machine, mayEnterRing);
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length / 8, 0);
  header.writeBigUInt64LE(addressOf(program), 8);
  systemCall(machineCalls[machine].seccomp, filterMode, allThreads, header, 'seccomp');
}
