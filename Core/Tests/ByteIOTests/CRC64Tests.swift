import ByteIO
import Testing

@Suite("CRC-64/NVME")
struct CRC64Tests {
  @Test("the check value of the catalogue, in one piece and in two")
  func check() {
    var whole = CRC64()
    whole.update([UInt8]("123456789".utf8).span)
    #expect(whole.checksum == 0xAE8B_1486_0A79_9888)
    var pieces = CRC64()
    pieces.update([UInt8]("1234".utf8).span)
    pieces.update([UInt8]("56789".utf8).span)
    #expect(pieces.checksum == whole.checksum)
    #expect(CRC64().checksum == 0)
  }
}
