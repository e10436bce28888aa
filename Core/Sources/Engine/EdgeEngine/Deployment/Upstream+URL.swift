extension Upstream {
  /// `url` with `hostName` for the name, if that stands where its host does; nil if it is needed and
  /// there is none (edge contract section 2.5).
  public static func replaced(inURL url: String, by hostName: String?) -> String? {
    for scheme in ["https://", "http://"] where url.hasPrefix(scheme) {
      return replaced(in: String(url.dropFirst(scheme.count)), by: hostName).map { scheme + $0 }
    }
    return url
  }
}
