RUST_ARCH_DEPENDS:=@(aarch64||arm||x86_64)
PKG_INSTALL_DIR:=$(OUT).installed
RustBinPackage=
