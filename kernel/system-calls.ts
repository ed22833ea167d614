// Facts: the system calls that workers and control may not make, with their numbers on both machines
// (Linux arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h).

export interface ForbiddenCall {
  readonly name: string;
  readonly x64: number;
  readonly arm64: number;
}

const row = (name: string, x64: number, arm64: number): ForbiddenCall => ({ name, x64, arm64 });

/** Calls that a process which only serves sockets and files never needs: refused with EPERM. */
export const forbiddenCalls: readonly ForbiddenCall[] = [
  row('execve', 59, 221),
  row('execveat', 322, 281),
  row('ptrace', 101, 117),
  row('process_vm_readv', 310, 270),
  row('process_vm_writev', 311, 271),
  row('process_madvise', 440, 440),
  row('pidfd_getfd', 438, 438),
  row('kcmp', 312, 272),
  row('setns', 308, 268),
  row('unshare', 272, 97),
  row('mount', 165, 40),
  row('umount2', 166, 39),
  row('pivot_root', 155, 41),
  row('chroot', 161, 51),
  row('open_tree', 428, 428),
  row('move_mount', 429, 429),
  row('fsopen', 430, 430),
  row('fsconfig', 431, 431),
  row('fsmount', 432, 432),
  row('fspick', 433, 433),
  row('mount_setattr', 442, 442),
  row('bpf', 321, 280),
  row('perf_event_open', 298, 241),
  row('userfaultfd', 323, 282),
  row('io_uring_setup', 425, 425),
  row('io_uring_enter', 426, 426),
  row('io_uring_register', 427, 427),
  row('kexec_load', 246, 104),
  row('kexec_file_load', 320, 294),
  row('init_module', 175, 105),
  row('finit_module', 313, 273),
  row('delete_module', 176, 106),
  row('add_key', 248, 217),
  row('request_key', 249, 218),
  row('keyctl', 250, 219),
  row('fanotify_init', 300, 262),
  row('name_to_handle_at', 303, 264),
  row('open_by_handle_at', 304, 265),
  row('swapon', 167, 224),
  row('swapoff', 168, 225),
  row('reboot', 169, 142),
  row('acct', 163, 89),
  row('quotactl', 179, 60),
  row('settimeofday', 164, 170),
  row('clock_settime', 227, 112),
  row('adjtimex', 159, 171),
  row('clock_adjtime', 305, 266),
  row('sethostname', 170, 161),
  row('setdomainname', 171, 162),
  row('personality', 135, 92),
  row('syslog', 103, 116),
];

/** Numbers that the filter itself needs, by machine. */
export const machineCalls = {
  x64: { auditArch: 0xc000_003e, seccomp: 317, clone: 56, clone3: 435 },
  arm64: { auditArch: 0xc000_00b7, seccomp: 277, clone: 220, clone3: 435 },
} as const;
