# As much of OpenWrt's build as it takes to ask the Makefiles of the feed what they would package: `make describe`
# prints it, `make install OUT=DIR` puts the files there. Not its code; what the macros mean is in its documentation.

INCLUDE_DIR:=$(TOPDIR)/include
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644
INSTALL_CONF:=install -m0600
CP:=cp -fpR
LN:=ln -sf
PKG_BUILD_DIR:=$(OUT).build
STAGING_DIR:=$(OUT).staging
