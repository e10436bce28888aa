import Glibc
import Platform
import Testing

@Suite("The program's code in memory")
struct ProgramCodeTests {
  @Test("only executable mappings of files that nobody writes to are taken")
  func ranges() {
    let maps = """
      1000-3000 r-xp 00001000 fe:00 1234                       /usr/bin/hub
      3000-4000 r--p 00003000 fe:00 1234                       /usr/bin/hub
      4000-5000 rw-p 00004000 fe:00 1234                       /usr/bin/hub
      5000-6000 rwxp 00004000 fe:00 1234                       /usr/bin/hub
      6000-7000 r-xp 00000000 00:00 0
      7000-8000 r-xp 00000000 00:00 0                          [vdso]
      9000-8000 r-xp 00000000 fe:00 1234                       /usr/bin/hub
      xyz r-xp 00000000 fe:00 1234                             /usr/bin/hub
      7f00000000-7f00001000 r-xp 00000000 fe:00 9              /lib/with a blank.so (deleted)
      """
    #expect(
      ProgramCode.codeRanges(ofMaps: Array(maps.utf8)) == [
        0x1000..<0x3000, 0x7f_0000_0000..<0x7f_0000_1000,
      ]
    )
    #expect(ProgramCode.codeRanges(ofMaps: []) == [])
  }

  @Test("the program goes on after its code was released")
  func goesOn() {
    ProgramCode.release()
    #expect((1...1000).reduce(0, +) == 500_500)
  }
}
