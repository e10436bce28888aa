import Glibc
import Platform
import Testing

@Suite("The program's code in memory")
struct ProgramCodeTests {
  @Test("only mappings of files that nobody writes to, and nobody has changed, are taken")
  func ranges() {
    let maps = """
      1000-3000 r-xp 00001000 fe:00 1234                       /usr/bin/hub
      Rss:                   8 kB
      Anonymous:             0 kB
      VmFlags: rd ex mr mw me sd
      3000-4000 r--p 00003000 fe:00 1234                       /usr/bin/hub
      Anonymous:             0 kB
      4000-5000 r--p 00003000 fe:00 1234                       /usr/bin/hub
      Anonymous:             4 kB
      5000-6000 rw-p 00004000 fe:00 1234                       /usr/bin/hub
      Anonymous:             0 kB
      6000-7000 rwxp 00004000 fe:00 1234                       /usr/bin/hub
      Anonymous:             0 kB
      7000-8000 r-xp 00000000 00:00 0
      Anonymous:             0 kB
      8000-9000 r-xp 00000000 00:00 0                          [vdso]
      Anonymous:             0 kB
      9000-8000 r-xp 00000000 fe:00 1234                       /usr/bin/hub
      Anonymous:             0 kB
      xyz r-xp 00000000 fe:00 1234                             /usr/bin/hub
      Anonymous:             0 kB
      7f00000000-7f00001000 r-xp 00000000 fe:00 9              /lib/with a blank.so (deleted)
      Anonymous:             0 kB
      a000-b000 r-xp 00001000 fe:00 1234                       /usr/bin/cut
      """
    #expect(
      ProgramCode.unchangedRanges(ofMaps: Array(maps.utf8)) == [
        0x1000..<0x3000, 0x3000..<0x4000, 0x7f_0000_0000..<0x7f_0000_1000,
      ]
    )
    #expect(ProgramCode.unchangedRanges(ofMaps: []) == [])
  }

  @Test("the program goes on after its code was released")
  func goesOn() {
    ProgramCode.release()
    #expect((1...1000).reduce(0, +) == 500_500)
  }
}
