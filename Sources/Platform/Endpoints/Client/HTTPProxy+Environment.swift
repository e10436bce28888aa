extension HTTPProxy {
  /// The proxy that the variables of a process name for `host`, nil for none: `https_proxy`, and
  /// `no_proxy` with the hosts and domains that are reached without it.
  ///
  /// The scheme may be left out, as other programs allow it.
  ///
  /// - Throws: What is wrong with the variable, without its text, which may hold a password.
  package static func from(
    _ environment: [String: String],
    for host: String
  ) throws(HTTPProxyFault) -> HTTPProxy? {
    func variable(_ name: String) -> String? {
      (environment[name] ?? environment[name.uppercased()]).flatMap { $0.isEmpty ? nil : $0 }
    }
    guard let text = variable("https_proxy") else { return nil }
    for part in (variable("no_proxy") ?? "").split(separator: ",") {
      let name = part.filter { $0 != " " }.lowercased()
      let suffix = name.hasPrefix(".") ? name : "." + name
      if name == "*" || host.lowercased() == name || host.lowercased().hasSuffix(suffix) {
        return nil
      }
    }
    return try HTTPProxy(text.contains("://") ? text : "http://" + text)
  }
}
