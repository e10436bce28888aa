package import EdgeEngine
import Glibc

extension RuntimePlatform {
  /// The machine as its kernel describes it.
  package static var kernel: RuntimePlatform {
    var names = utsname()
    uname(&names)
    func text(_ field: some Any) -> String {
      withUnsafeBytes(of: field) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
    }
    return RuntimePlatform(
      os: text(names.sysname).lowercased(),
      architecture: text(names.machine),
      version: text(names.release)
    )
  }
}
