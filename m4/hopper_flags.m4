# SPDX-License-Identifier: MIT
#
# Compiler and linker flags, each tried alone: a compiler that does not know one simply goes without it.
#
# Clang accepts unknown warning flags with a warning, so each trial runs with warnings as errors.

# HOPPER_TRY_CFLAG(VARIABLE, FLAG): append FLAG to VARIABLE when the C compiler takes it.
AC_DEFUN([HOPPER_TRY_CFLAG],
[AS_VAR_PUSHDEF([hopper_var], [hopper_cv_cflag_$2])dnl
AC_CACHE_CHECK([whether $CC takes $2], [hopper_var],
  [hopper_saved_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS -Werror $2"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([hopper_var], [yes])], [AS_VAR_SET([hopper_var], [no])])
   CFLAGS=$hopper_saved_CFLAGS])
AS_VAR_IF([hopper_var], [yes], [AS_VAR_APPEND([$1], [" $2"])])
AS_VAR_POPDEF([hopper_var])dnl
])

# HOPPER_TRY_CFLAGS(VARIABLE, FLAGS): HOPPER_TRY_CFLAG for each of the blank-separated FLAGS.
AC_DEFUN([HOPPER_TRY_CFLAGS], [m4_foreach_w([hopper_flag], [$2], [HOPPER_TRY_CFLAG([$1], m4_defn([hopper_flag]))])])

# HOPPER_TRY_LDFLAG(VARIABLE, FLAG): append FLAG to VARIABLE when a program can be linked with it.
AC_DEFUN([HOPPER_TRY_LDFLAG],
[AS_VAR_PUSHDEF([hopper_var], [hopper_cv_ldflag_$2])dnl
AC_CACHE_CHECK([whether $CC links with $2], [hopper_var],
  [hopper_saved_LDFLAGS=$LDFLAGS
   LDFLAGS="$LDFLAGS -Werror $2"
   AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([hopper_var], [yes])], [AS_VAR_SET([hopper_var], [no])])
   LDFLAGS=$hopper_saved_LDFLAGS])
AS_VAR_IF([hopper_var], [yes], [AS_VAR_APPEND([$1], [" $2"])])
AS_VAR_POPDEF([hopper_var])dnl
])

# HOPPER_HARDENING: fill HARDEN_CFLAGS, HARDEN_CPPFLAGS, HARDEN_LDFLAGS (all links) and PIE_LDFLAGS (programs only).
# Needs $enable_sanitizer. _FORTIFY_SOURCE needs optimisation, blinds the sanitizers, and is left alone when the
# builder (a distribution) has already chosen a level.
AC_DEFUN([HOPPER_HARDENING],
[HOPPER_TRY_CFLAGS([HARDEN_CFLAGS], [-fstack-protector-strong -fstack-clash-protection])
case $host_cpu in
  i?86|x86_64) HOPPER_TRY_CFLAG([HARDEN_CFLAGS], [-fcf-protection]) ;;
  aarch64)     HOPPER_TRY_CFLAG([HARDEN_CFLAGS], [-mbranch-protection=standard]) ;;
esac
HOPPER_TRY_LDFLAG([HARDEN_LDFLAGS], [-Wl,-z,relro])
HOPPER_TRY_LDFLAG([HARDEN_LDFLAGS], [-Wl,-z,now])

AC_CACHE_CHECK([whether $CC makes position-independent programs by itself], [hopper_cv_pie_default],
  [AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#ifndef __PIE__
#error not by itself
#endif
int not_empty;]])], [hopper_cv_pie_default=yes], [hopper_cv_pie_default=no])])
AS_IF([test "x$hopper_cv_pie_default" = xno],
  [HOPPER_TRY_LDFLAG([PIE_LDFLAGS], [-pie])
   AS_IF([test -n "$PIE_LDFLAGS"], [HOPPER_TRY_CFLAG([HARDEN_CFLAGS], [-fPIE])])])

AC_CACHE_CHECK([whether to define _FORTIFY_SOURCE], [hopper_cv_fortify],
  [AS_IF([test "x$enable_sanitizer" != xno], [hopper_cv_fortify="no, sanitizer"],
     [AC_COMPILE_IFELSE([AC_LANG_SOURCE([[
#if !defined __OPTIMIZE__ || defined _FORTIFY_SOURCE
#error no
#endif
int not_empty;]])], [hopper_cv_fortify=yes], [hopper_cv_fortify="no, not optimising or already defined"])])])
AS_IF([test "x$hopper_cv_fortify" = xyes], [HARDEN_CPPFLAGS="-D_FORTIFY_SOURCE=2"])
AC_SUBST([HARDEN_CFLAGS])
AC_SUBST([HARDEN_CPPFLAGS])
AC_SUBST([HARDEN_LDFLAGS])
AC_SUBST([PIE_LDFLAGS])
])

# HOPPER_SANITIZER: --enable-sanitizer=LIST, filling SAN_CFLAGS, used for compiling and linking. What a sanitizer finds
# ends the program, so that no test passes over it.
AC_DEFUN([HOPPER_SANITIZER],
[AC_ARG_ENABLE([sanitizer],
  [AS_HELP_STRING([--enable-sanitizer=LIST], [build with -fsanitize=LIST, such as address,undefined or thread])],
  [AS_CASE([$enableval], [yes], [enable_sanitizer=address,undefined])], [enable_sanitizer=no])
AS_IF([test "x$enable_sanitizer" != xno],
  [SAN_CFLAGS="-fsanitize=$enable_sanitizer -fno-sanitize-recover=all -fno-omit-frame-pointer"
   hopper_saved_CFLAGS=$CFLAGS
   CFLAGS="$CFLAGS $SAN_CFLAGS"
   AC_MSG_CHECKING([whether $CC links with -fsanitize=$enable_sanitizer])
   AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      AC_MSG_ERROR([$CC cannot build with -fsanitize=$enable_sanitizer])])
   CFLAGS=$hopper_saved_CFLAGS])
AC_SUBST([SAN_CFLAGS])
AM_CONDITIONAL([SANITIZER], [test "x$enable_sanitizer" != xno])
AM_CONDITIONAL([SANITIZER_THREAD], [AS_CASE([$enable_sanitizer], [*thread*], [:], [false])])
])
