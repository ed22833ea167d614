// The part of node-forge that certs/ uses: its ASN.1 module alone, without the rest of the library.

declare module 'node-forge/lib/asn1.js' {
  namespace asn1 {
    interface Node {
      readonly tagClass: number;
      readonly type: number;
      readonly constructed: boolean;
      readonly value: string | readonly Node[];
    }
    interface Bytes {
      getBytes(): string;
    }
    function create(
      tagClass: number,
      type: number,
      constructed: boolean,
      value: string | readonly Node[],
    ): Node;
    function fromDer(bytes: string, options: { strict: boolean; decodeBitStrings: boolean }): Node;
    function toDer(node: Node): Bytes;
    function oidToDer(oid: string): Bytes;
  }
  export = asn1;
}
