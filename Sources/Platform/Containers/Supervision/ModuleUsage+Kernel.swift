import Glibc
import Platform

extension ModuleUsage {
  /// What the kernel tells of a process; what it does not tell is left out.
  init(process pid: pid_t) {
    self.init()
    func words(_ file: String) -> [Substring] {
      let bytes = (try? PrivateFile.read("/proc/\(pid)/\(file)")) ?? []
      let text = String(decoding: bytes, as: UTF8.self)
      // The name of the program stands in brackets, and may hold anything.
      let rest = text.lastIndex(of: ")").map { text[text.index(after: $0)...] } ?? text[...]
      return rest.split { $0 == " " || $0 == "\n" }
    }
    let memory = words("statm")
    if memory.count > 1, let pages = Int64(memory[1]) {
      memoryBytes = pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
    let times = words("stat")
    // utime and stime are the 14th and 15th field (proc(5)); two are cut off here.
    if times.count > 12, let user = Int64(times[11]), let system = Int64(times[12]) {
      let ticks = max(Int64(sysconf(Int32(_SC_CLK_TCK))), 1)
      processorNanoseconds = (user + system) * (1_000_000_000 / ticks)
      processCount = 1
    }
    let traffic = words("io")
    for (name, value) in zip(traffic, traffic.dropFirst()) {
      if name == "read_bytes:" { diskReadBytes = Int64(value) }
      if name == "write_bytes:" { diskWriteBytes = Int64(value) }
    }
  }
}
